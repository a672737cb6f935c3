"""Models of a recorded set, built from its weights and the configurations in its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parity.reference import Reference

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from soundreel.engines.wan.encoders.sound import AudioEncoder
    from soundreel.engines.wan.encoders.vae import Decoding, WanVae
    from soundreel.engines.wan.model.conditioning import WanS2VConditioning
    from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel


def transformer(
    reference: Reference,
    weights: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> WanS2VTransformer3DModel:
    """The set's transformer.

    weights: by official names, instead of the set's own.
    dtype: of the matrix products' weights, instead of float32.
    """
    from soundreel.engines.wan.model.names import infer_config, kept_in_float32, to_module
    from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

    stored = reference.file("dit_state")
    state = weights or stored.tensors()
    config = infer_config(state, stored.config)
    model = WanS2VTransformer3DModel(**config).eval().requires_grad_(False)
    named = to_module(state, config["audio_inject_layers"])
    if dtype is not None:
        named = {k: v if kept_in_float32(k) else v.to(dtype) for k, v in named.items()}
    model.load_state_dict(named, assign=True)
    return model


def case_conditioning(
    model: WanS2VTransformer3DModel, facts: Mapping[str, Any], case: Mapping[str, Tensor]
) -> WanS2VConditioning:
    """What `prepare` makes of a recorded transformer case; facts are the manifest's."""
    _, num_frames, height, width = case["x"].shape
    return model.prepare(
        case["context"][None],
        case["audio_input"],
        latent_size=(num_frames, height, width),
        reference_latents=case["ref_latents"],
        motion_latents=None if facts["drop_motion_frames"] else case["motion_latents"],
        pose_latents=case["cond_states"],
        motion_frames=facts["motion_frames"][0],
    )


def run_case(
    model: WanS2VTransformer3DModel, facts: Mapping[str, Any], case: Mapping[str, Tensor]
) -> Tensor:
    """The model's output (C, T, h, w) for a recorded case."""
    import torch

    with torch.inference_mode():
        conditioning = case_conditioning(model, facts, case)
        sample: Tensor = model(case["x"][None], case["t"], conditioning).sample
    return sample[0]


def vae(reference: Reference, decoding: Decoding | None = None) -> WanVae:
    """The set's VAE."""
    from soundreel.engines.wan.encoders.vae import EXACT, build_vae

    stored = reference.file("vae_state")
    config = {_VAE_NAMES.get(name, name): value for name, value in stored.config.items()}
    return build_vae(stored.tensors(), config, decoding=decoding or EXACT)


_VAE_NAMES = {"dim": "base_dim"}


def text_model(reference: Reference) -> nn.Module:
    """The set's text encoder without a tokenizer."""
    from soundreel.engines.wan.encoders.text import text_config, text_keys, text_model

    tensors = text_keys(reference.file("t5_state").tensors())
    model = text_model(text_config(tensors)).train(False).requires_grad_(False)
    result = model.load_state_dict(tensors, strict=False)
    assert result.missing_keys == ["encoder.embed_tokens.weight"]  # a second name for the first
    assert not result.unexpected_keys
    return model


def audio_encoder(reference: Reference) -> AudioEncoder:
    """The set's wav2vec2."""
    from soundreel.engines.wan.encoders.sound import build_audio_encoder

    stored = reference.file("wav2vec2_state")
    return build_audio_encoder(stored.tensors(), stored.config)
