"""What `needs` has formulas for, counted: on the modules themselves, which are made on the meta
device. Nothing here needs a card, weights or more than a few megabytes.

`scripts/needs_table.py` makes the formulas from these counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from diffusers import AutoencoderKLWan
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from soundreel.engines.wan.encoders.text import text_model
from soundreel.engines.wan.encoders.vae import SPACE, Decoding, WanVae
from soundreel.engines.wan.load.comfy import NvFp4
from soundreel.engines.wan.load.fp8 import held_in_8_bits
from soundreel.engines.wan.load.mapped import empty_model
from soundreel.engines.wan.load.quantised import Quantised, QuantisedLinear
from soundreel.engines.wan.memory.counting import Counted, Place, count
from soundreel.engines.wan.memory.needs import LAYERS, Weights, Workload, row_of
from soundreel.engines.wan.memory.offload import streamed_blocks
from soundreel.engines.wan.model.names import AUDIO_INJECT_LAYERS, kept_in_float32
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan22 import MOTION_LATENTS, SAMPLE_RATE, TEXT_TOKENS
from soundreel.timeline.grid import FRAMES_PER_LATENT, ceil_to, pictures_of, slots_for

UMT5_XXL = {
    # google/umt5-xxl, config.json
    **{"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240},
    **{"num_layers": 24, "num_heads": 64, "relative_attention_num_buckets": 32},
    "feed_forward_proj": "gated-gelu",
}

WAV2VEC2_LARGE = {
    # jonatasgrosman/wav2vec2-large-xlsr-53-english, config.json
    **{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24},
    **{"num_attention_heads": 16, "feat_extract_norm": "layer", "conv_bias": True},
    **{"do_stable_layer_norm": True, "apply_spec_augment": False},
}


def transformer_weights(row: str) -> Weights:
    """The 14B transformer. row: "fp8_scaled" or "16 bits", as `needs.row_of` has them."""
    return weights_as_loaded(empty_model(_transformer), row == "fp8_scaled", kept_in_float32)


def text_weights(row: str) -> Weights:
    """UMT5-XXL's encoder, so too."""
    return weights_as_loaded(empty_model(_text_encoder), row == "fp8_scaled", lambda _: False)


def vae_weights() -> Weights:
    """The decoder in 16 bits, the encoder in 32."""
    return weights_as_loaded(
        empty_model(_vae), False, lambda name: name.startswith(("encoder", "quant"))
    )


def audio_weights() -> Weights:
    return weights_as_loaded(empty_model(_wav2vec2), False, lambda _: True)


def step_count(workload: Workload, number_format: str) -> Counted:
    """One pass of the transformer, with what one set of conditions holds beside it.

    Blocks come one after the other and are of two sorts, so one of each is run.
    """
    model, prepare = pass_of(workload, row_of(number_format))
    if workload.in_slices:
        model.attend_in_slices()
    injected = len(AUDIO_INJECT_LAYERS)
    return count_pass(prepare, list(model.blocks), (injected, LAYERS - injected))


def count_pass(
    prepare: Callable[[], Callable[[], object]], blocks: Sequence[nn.Module], of_each: Sequence[int]
) -> Counted:
    """What `prepare` makes, and a run of what it gives, in which each of the `blocks` stands for
    `of_each` of its sort."""
    made: list[Callable[[], object]] = []

    def prepared_once() -> Callable[[], object]:
        made.append(prepare())
        return made[0]

    prepared = count(prepared_once)
    forward = count(made[0], blocks)
    flops = forward.flops + sum(
        (number - 1) * part for number, part in zip(of_each, forward.parts, strict=True)
    )
    held = prepared.held_bytes
    places: dict[Place, int] = {("prepare", place): n for place, n in prepared.places.items()}
    places |= {("forward", place): size + held for place, size in forward.places.items()}
    return Counted(held, flops, places=places)


def decode_count(latents: int, height: int, width: int) -> Counted:
    """`latents` latent frames of height x width latents to pictures, as on a card: in bfloat16."""
    vae = WanVae(empty_model(_vae), decoding=Decoding(torch.bfloat16))
    z = torch.empty(1, 16, latents, height, width, device="meta")
    return count(partial(_drain, vae, z))


def encode_count(latents: int, height: int, width: int) -> Counted:
    """Pictures, four at a time from main memory, to `latents` latent frames of that size."""
    vae = WanVae(empty_model(_vae))
    size = (1, 3, pictures_of(latents), height * SPACE, width * SPACE)
    x = torch.empty(size, device="meta")
    group = 3 * FRAMES_PER_LATENT * size[3] * size[4] * x.itemsize  # moved to the device
    counted = count(partial(vae.encode, x))
    places = {place: size + group for place, size in counted.places.items()}
    return Counted(counted.held_bytes, counted.flops, places=places)


def text_count(number_format: str) -> Counted:
    """One prompt of the greatest length."""
    model = empty_model(_text_encoder).to(torch.bfloat16)
    _quantise(model, row_of(number_format))
    tokens = torch.zeros(1, TEXT_TOKENS, dtype=torch.long, device="meta")
    return count(lambda: model(tokens))


def sound_count(seconds: int) -> Counted:
    """One pass of wav2vec2, all hidden states kept."""
    model = empty_model(_wav2vec2)
    wave = torch.empty(1, seconds * SAMPLE_RATE, device="meta")
    return count(lambda: model(wave, output_hidden_states=True))


# --- the modules ------------------------------------------------------------------------------


def _transformer() -> nn.Module:
    return cast(nn.Module, WanS2VTransformer3DModel())


def two_blocks() -> WanS2VTransformer3DModel:
    """Of the 14B's width, the first with sound."""
    return cast(
        WanS2VTransformer3DModel, WanS2VTransformer3DModel(num_layers=2, audio_inject_layers=(0,))
    )


def _text_encoder() -> nn.Module:
    return text_model(UMT5_XXL)


def _vae() -> nn.Module:
    return cast(nn.Module, AutoencoderKLWan())


def _wav2vec2() -> Wav2Vec2Model:
    return Wav2Vec2Model(Wav2Vec2Config.from_dict(WAV2VEC2_LARGE))


def pass_of(
    workload: Workload, row: str
) -> tuple[WanS2VTransformer3DModel, Callable[[], Callable[[], object]]]:
    """Two blocks of the 14B without data, and what prepares a pass; that gives its forward."""
    model = empty_model(two_blocks)
    as_loaded(model, row)
    frames, height, width = workload.latents
    with torch.device("meta"):
        latents = torch.empty(1, 16, frames, height, width)
        text = torch.empty(1, TEXT_TOKENS, 4096, dtype=torch.bfloat16)
        sounds = [torch.empty(1, 25, 1024, slots_for(frames)) for _ in range(workload.speakers)]
        masks = torch.empty(workload.speakers, 1, height // 2, width // 2)
        reference = torch.empty(1, 16, 1, height, width) if workload.reference else None
        motion = torch.empty(1, 16, MOTION_LATENTS, height, width) if workload.motion else None
        timestep = torch.empty(())

    def prepare() -> Callable[[], object]:
        where = masks if workload.speakers > 1 else None
        made = model.prepare(text, sounds, workload.latents, reference, motion, audio_masks=where)
        return lambda: model(latents, timestep, made)

    return model, prepare


def as_loaded(model: nn.Module, row: str) -> None:
    """A transformer's numbers as they are in a job, from a file of that row of the table."""
    for name, parameter in model.named_parameters():
        dtype = torch.float32 if kept_in_float32(name) else torch.bfloat16
        parameter.data = parameter.data.to(dtype)
    _quantise(model, row)


def _quantise(model: nn.Module, row: str) -> None:
    """Every linear layer as a file of that row of the table has it."""
    if row == "16 bits":
        return
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            layer = QuantisedLinear(module, _held(module, row)).requires_grad_(False)
            if layer.bias is not None:
                layer.bias.data = layer.bias.data.to(torch.bfloat16)
            model.set_submodule(name, layer)


def _held(module: nn.Linear, row: str) -> Quantised:
    shape = rows, columns = module.out_features, module.in_features
    with torch.device("meta"):
        if row == "fp8_scaled":
            return held_in_8_bits(torch.empty(shape, dtype=torch.float8_e4m3fn))
        tiles = ceil_to(rows, 128), ceil_to(columns // 16, 4)
        parts = {
            "weight": torch.empty(rows, columns // 2, dtype=torch.int8),
            "blocks": torch.empty(tiles, dtype=torch.int8),
            "scale": torch.empty(()),
        }
        return Quantised(NvFp4(), shape, parts)


def weights_as_loaded(model: nn.Module, quantised: bool, float32: Callable[[str], bool]) -> Weights:
    sizes = {name: _bytes(model, name, quantised, float32) for name, _ in model.named_parameters()}
    total = sum(sizes.values())
    blocks = {id(block) for block in streamed_blocks(model)}
    prefixes = [f"{name}." for name, module in model.named_modules() if id(module) in blocks]
    each = [sum(size for name, size in sizes.items() if name.startswith(p)) for p in prefixes]
    return Weights(total, total - sum(each), max(each, default=0))


def _bytes(model: nn.Module, name: str, quantised: bool, float32: Callable[[str], bool]) -> int:
    """Of one parameter as `load.mapped.fill` loads it, with the scale of an 8-bit one."""
    layer, _, last = name.rpartition(".")
    numel = model.get_parameter(name).numel()
    if quantised and last == "weight" and isinstance(model.get_submodule(layer), nn.Linear):
        return numel + 4
    return numel * (4 if float32(name) else 2)


def _drain(vae: WanVae, latents: torch.Tensor) -> None:
    for _ in vae.decode(latents):
        pass
