"""The four models from their files, on a device, ready to run.

Tensors get into modules through `mapped`; names are converted by `model.names` and the encoders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import cast

import torch
from torch import Tensor, nn

from soundreel.engines.wan.encoders.sound import (
    AudioEncoder,
    audio_config,
    audio_keys,
    audio_model,
    build_audio_encoder,
)
from soundreel.engines.wan.encoders.text import (
    TextEncoder,
    Tokenizer,
    folder_tokenizer,
    sentencepiece_tokenizer,
    text_config,
    text_keys,
    text_model,
)
from soundreel.engines.wan.encoders.tiles import WHOLE, Tiling
from soundreel.engines.wan.encoders.vae import (
    EXACT,
    Decoding,
    WanVae,
    build_vae,
    vae_config,
    vae_keys,
    vae_model,
)
from soundreel.engines.wan.files.formats import SMALL_FLOATS
from soundreel.engines.wan.files.headers import FETCH_AGAIN
from soundreel.engines.wan.files.limits import faults_of
from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.load.configs import audio_fields, config_beside, vae_fields
from soundreel.engines.wan.load.lora import LoraSpec, apply_loras
from soundreel.engines.wan.load.mapped import empty_model, fill, read_state, require_fit
from soundreel.engines.wan.load.reading import Contents, read_contents
from soundreel.engines.wan.load.vocabulary import read_vocabulary
from soundreel.engines.wan.model.names import (
    infer_config,
    kept_in_float32,
    official_name,
    to_module,
    without_prefix,
)
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.errors import EngineUnavailable, InputError

Report = Callable[[str], None]
"""Takes one sentence for the user."""


def load_transformer(
    found: Found,
    *,
    device: torch.device,
    dtype: torch.dtype,
    loras: Sequence[LoraSpec] = (),
    report: Report = lambda _: None,
) -> WanS2VTransformer3DModel:
    """The S2V transformer: 16-bit weights in `dtype`, quantised ones as they are, LoRAs on use.

    report: told what became of each LoRA. Raises InputError where the weights do not fit.
    """
    with faults_in(found):
        contents = read_contents(found.files).renamed(without_prefix)
        config = infer_config(contents.weights, config_beside(found.path))
    layers = config["audio_inject_layers"]
    model = empty_model(lambda: WanS2VTransformer3DModel(**config))
    contents = contents.renamed(lambda names: to_module(names, layers))
    fill_transformer(model, contents, device=device, dtype=dtype)
    put_on(model, loras, layers, device=device, dtype=dtype, report=report)
    return cast("WanS2VTransformer3DModel", model)


def fill_transformer(
    model: nn.Module, contents: Contents, *, device: torch.device, dtype: torch.dtype
) -> None:
    """A transformer of any kind, in place; contents: by the module's names. Raises InputError."""
    shaped = contents.shaped_for(model)
    fill(
        model,
        shaped.weights,
        shaped.quantised,
        device=device,
        dtype=dtype,
        float32=kept_in_float32,
    )


def put_on(
    model: nn.Module,
    loras: Sequence[LoraSpec],
    inject_layers: Sequence[int] = (),
    *,
    device: torch.device,
    dtype: torch.dtype,
    report: Report,
) -> None:
    """LoRAs on a transformer of any kind. Raises InputError where one fits no layer."""
    names = layer_aliases(model, inject_layers)
    for outcome in apply_loras(model, loras, aliases=names, dtype=dtype, device=device):
        report(outcome.message)


def load_text_encoder(found: Found, *, device: torch.device, dtype: torch.dtype) -> TextEncoder:
    """UMT5 with its tokenizer; quantised weights stay so. Raises InputError."""
    with faults_in(found):
        read = read_contents(found.files)
        tokenizer = _tokenizer(found, read.weights.get("spiece_model"))
        contents = read.renamed(text_keys)
        model = empty_model(lambda: text_model(text_config(contents.weights)))
    contents = contents.shaped_for(model)
    fill(model, contents.weights, contents.quantised, device=device, dtype=dtype)
    _tie_embedding(model)
    return TextEncoder(model, tokenizer)


def load_vae(
    found: Found,
    *,
    device: torch.device,
    decoding: Decoding = EXACT,
    tiling: Tiling = WHOLE,
) -> WanVae:
    """The VAE in float32, as the official code runs it, but for the decoder. Raises InputError."""
    state, fields = read_state(found.files), vae_fields(found.path)
    with faults_in(found):
        keys = vae_keys(state)
        model = empty_model(lambda: vae_model({**vae_config(keys), **fields}))
        require_fit(model, keys)
        vae = build_vae(state, fields, decoding=decoding, tiling=tiling)
    vae.model.to(device)
    return vae


def load_audio_encoder(found: Found, *, device: torch.device) -> AudioEncoder:
    """wav2vec2 in float32, as the official code runs it. Raises InputError."""
    state, fields = read_state(found.files), audio_fields(found.path)
    with faults_in(found):
        keys = audio_keys(state)
        model = empty_model(lambda: audio_model({**audio_config(keys), **fields}))
        require_fit(model, keys)
        encoder = build_audio_encoder(state, fields)
    encoder.model.to(device)
    return encoder


def check_number_formats(files: Sequence[Found], device: torch.device) -> None:
    """Raises EngineUnavailable for weights whose numbers the device does not have."""
    small = [file.path.name for file in files if file.number_format.startswith(SMALL_FLOATS)]
    if device.type == "mps" and small:  # torch has no 8-bit floats there
        raise EngineUnavailable(
            f"weights in 8-bit floats do not run on Apple's GPUs: {', '.join(small)}",
            hint="take GGUF or 16-bit ones: soundreel models pull bf16",
        )


def layer_aliases(model: nn.Module, inject_layers: Sequence[int]) -> dict[str, str]:
    """Other names of the transformer's layers -> their module path: the official checkpoint's and
    those of diffusers' WanTransformer3DModel."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    official = {official_name(name, inject_layers): name for name in names}
    return official | {_diffusers_name(name): name for name in names}


_DIFFUSERS = (
    # diffusers/loaders/lora_conversion_utils.py, _convert_non_diffusers_wan_lora_to_diffusers
    (r"\.self_attn\.([qkv])$", r".attn1.to_\1"),
    (r"\.self_attn\.o$", ".attn1.to_out.0"),
    (r"\.cross_attn\.([qkv])$", r".attn2.to_\1"),
    (r"\.cross_attn\.o$", ".attn2.to_out.0"),
    (r"\.ffn\.0$", ".ffn.net.0.proj"),
    (r"\.ffn\.2$", ".ffn.net.2"),
)


def _diffusers_name(name: str) -> str:
    for pattern, replacement in _DIFFUSERS:
        name = re.sub(pattern, replacement, name)
    return name


def _tokenizer(found: Found, inside: Tensor | None) -> Tokenizer:
    if inside is not None:
        return sentencepiece_tokenizer(inside.numpy().tobytes())
    if (vocabulary := read_vocabulary(found.path)) is not None:
        return sentencepiece_tokenizer(vocabulary)
    folder = found.path.parent
    near = (
        folder,
        folder / "google" / "umt5-xxl",
        folder / "tokenizer",
        folder.parent / "tokenizer",
    )
    for candidate in near:
        if (candidate / "tokenizer.json").is_file():
            return folder_tokenizer(candidate)
    raise InputError(
        f"{found.path} has no tokenizer inside, and no tokenizer.json lies beside it",
        hint="take ComfyUI's text encoder file, which has one, or put the official folder "
        "google/umt5-xxl beside the file",
    )


def _tie_embedding(model: nn.Module) -> None:
    """UMT5 has two names for one embedding; apart, a device would hold it twice."""
    shared = model.get_submodule("shared")
    model.set_submodule("encoder.embed_tokens", shared)


def faults_in(found: Found) -> AbstractContextManager[None]:
    """Weights and a config.json that do not make a model, in whatever way the libraries say it."""
    return faults_of(found.path, f"a complete {found.kind.value}", FETCH_AGAIN)
