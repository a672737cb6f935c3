"""Names and sizes of the transformer's weights: from any published file into the module, and back.

One set of names is in the wild: that of the official checkpoint (Wan-Video/Wan2.2). ComfyUI's
repackaged, fp8 and GGUF files use it, some with a prefix. The module has the same names but for the
audio injectors, which live in the block after which they act (`transformer.py` says why). A folder
that `save_pretrained` wrote has the module's names. All functions here work on names and shapes
only, so that headers, scales and LoRA layers can be converted with them too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypedDict, TypeVar

from soundreel.engines.wan22 import TEXT_TOKENS
from soundreel.errors import InputError

T = TypeVar("T")

PREFIXES = ("model.diffusion_model.", "diffusion_model.")
"""Put before all of a transformer's names by ComfyUI's own exports."""

AUDIO_INJECT_LAYERS = (0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39)
"""Blocks after which the 14B model, of 40 blocks, injects sound (wan/configs/wan_s2v_14B.py)."""

FLOAT32_MODULES = frozenset(
    {"time_embedding", "time_projection", "modulation", "casual_audio_encoder", "head"}
)
"""Parts of a name that mark a parameter as computed in float32; keeping it so saves the upcast."""

_OFFICIAL = re.compile(r"audio_injector\.(injector|injector_adain_layers)\.(\d+)(?=\.|$)")
_MODULE = re.compile(r"blocks\.(\d+)\.audio_injector\.(attn|adain)(?=\.|$)")
_PARTS = {"injector": "attn", "injector_adain_layers": "adain"}
_OFFICIAL_PARTS = {module: official for official, module in _PARTS.items()}

_FIXED = {
    "enable_adain": True,
    "adain_mode": "attn_norm",
    "zero_timestep": True,
    "enable_motioner": False,
    "enable_framepack": True,
    "framepack_drop_mode": "padd",
    "add_last_motion": True,
    "qk_norm": True,
    "cross_attn_norm": True,
    "window_size": [-1, -1],
}
"""Switches of the official config.json that this implementation has in one position only."""


class Shaped(Protocol):
    """A tensor or its header."""

    @property
    def shape(self) -> Sequence[int]: ...


class BaseConfig(TypedDict):
    """What all transformers of Wan 14B are made of; WanS2VTransformer3DModel says what it is."""

    patch_size: tuple[int, int, int]
    num_attention_heads: int
    attention_head_dim: int
    in_channels: int
    out_channels: int
    text_dim: int
    text_len: int
    freq_dim: int
    ffn_dim: int
    num_layers: int
    eps: float


class TransformerConfig(BaseConfig):
    """Arguments of WanS2VTransformer3DModel."""

    pose_channels: int
    audio_dim: int
    num_audio_layers: int
    num_audio_tokens: int
    audio_inject_layers: tuple[int, ...]


def module_name(official: str, inject_layers: Sequence[int]) -> str:
    """The module's name of an official parameter, layer or anything below it.

    Names of the module come out unchanged. Raises InputError for an injector of no known block.
    """
    found = _OFFICIAL.match(official)
    if found is None:
        return official
    part, index = _PARTS[found[1]], int(found[2])
    if index >= len(inject_layers):
        raise InputError(
            f"{official}: audio is injected after {len(inject_layers)} blocks only",
            hint="the weights and their config.json belong to different models",
        )
    return f"blocks.{inject_layers[index]}.audio_injector.{part}{official[found.end() :]}"


def official_name(module: str, inject_layers: Sequence[int]) -> str:
    """The inverse of `module_name`."""
    found = _MODULE.match(module)
    if found is None:
        return module
    index, part = list(inject_layers).index(int(found[1])), _OFFICIAL_PARTS[found[2]]
    return f"audio_injector.{part}.{index}{module[found.end() :]}"


def to_module(tensors: Mapping[str, T], inject_layers: Sequence[int]) -> dict[str, T]:
    """The same values under the module's names, without any prefix."""
    plain = without_prefix(tensors)
    return {module_name(name, inject_layers): value for name, value in plain.items()}


def without_prefix(tensors: Mapping[str, T]) -> dict[str, T]:
    """The same values without the prefix that all names of a model carry in some files."""
    for prefix in PREFIXES:
        if f"{prefix}patch_embedding.weight" in tensors:
            return {name.removeprefix(prefix): value for name, value in tensors.items()}
    return dict(tensors)


def kept_in_float32(name: str) -> bool:
    """Whether the parameter of this (module's or official) name is kept in float32."""
    return not FLOAT32_MODULES.isdisjoint(name.split("."))


def infer_config(
    tensors: Mapping[str, Shaped], config: Mapping[str, object] | None = None
) -> TransformerConfig:
    """Arguments of WanS2VTransformer3DModel for these weights, read from their shapes.

    tensors: values or headers by official or module's names.
    config: the config.json beside them, official or of `save_pretrained`: for what no shape tells
    (heads, inject layers, text length, epsilon). Without it: heads of 128, the 14B's inject layers.
    Raises InputError where the weights are not an S2V transformer, or another kind of it.
    """
    given = dict(config or {})
    _check_switches(given)
    shapes = _shapes(tensors)
    with _missing("S2V"):
        base = _base(shapes, given)
        first_audio, audio_dim, _ = shapes["casual_audio_encoder.encoder.conv1_local.conv.weight"]
        dim, volume = shapes["patch_embedding.bias"][0], math.prod(base["patch_size"])
        return {
            **base,
            "pose_channels": math.prod(shapes["cond_encoder.weight"]) // dim // volume,
            "audio_dim": audio_dim,
            "num_audio_layers": math.prod(shapes["casual_audio_encoder.weights"]),
            "num_audio_tokens": first_audio // (dim // 4),
            "audio_inject_layers": _inject_layers(shapes, given, base["num_layers"]),
        }


def infer_base(
    tensors: Mapping[str, Shaped], config: Mapping[str, object] | None = None
) -> BaseConfig:
    """So too for a transformer that hears nothing."""
    with _missing("I2V"):
        return _base(_shapes(tensors), dict(config or {}))


def _shapes(tensors: Mapping[str, Shaped]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in without_prefix(tensors).items()}


@contextmanager
def _missing(kind: str) -> Iterator[None]:
    """A tensor that is not there is said to be so."""
    try:
        yield
    except KeyError as err:
        raise InputError(
            f"not a Wan {kind} transformer: {err.args[0]} is missing",
            hint="soundreel models shows what each file is",
        ) from err


def _base(shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, object]) -> BaseConfig:
    dim = shapes["patch_embedding.bias"][0]
    # GGUF files hold four dimensions at most; the patch is then the only published one.
    patch = shapes["patch_embedding.weight"]
    patch_size = (patch[2], patch[3], patch[4]) if len(patch) == 5 else (1, 2, 2)
    volume = math.prod(patch_size)
    heads = _heads(dim, given)
    return {
        "patch_size": patch_size,
        "num_attention_heads": heads,
        "attention_head_dim": dim // heads,
        "in_channels": math.prod(patch) // dim // volume,
        "out_channels": shapes["head.head.weight"][0] // volume,
        "text_dim": shapes["text_embedding.0.weight"][1],
        "text_len": _whole(given, "text_len", TEXT_TOKENS),
        "freq_dim": shapes["time_embedding.0.weight"][1],
        "ffn_dim": shapes["blocks.0.ffn.0.weight"][0],
        "num_layers": _count(shapes, r"blocks\.(\d+)\.self_attn\.q\.weight"),
        "eps": _number(given, "eps", 1e-6),
    }


def _heads(dim: int, given: Mapping[str, object]) -> int:
    heads = _whole(given, "num_heads", _whole(given, "num_attention_heads", dim // 128))
    if heads < 1 or dim % heads:
        raise InputError(
            f"a width of {dim} does not split into heads of 128",
            hint="put the model's config.json beside its weights",
        )
    return heads


def _whole(given: Mapping[str, object], name: str, default: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int):
        raise _wrong(name, value, "a whole number")
    return value


def _number(given: Mapping[str, object], name: str, default: float) -> float:
    value = given.get(name, default)
    if not isinstance(value, int | float):
        raise _wrong(name, value, "a number")
    return value


def _wrong(name: str, value: object, wanted: str) -> InputError:
    return InputError(
        f"config.json: {name} is {value!r}, not {wanted}",
        hint="take the config.json that was published with the weights",
    )


def _inject_layers(
    shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, object], num_layers: int
) -> tuple[int, ...]:
    own = [re.match(r"blocks\.(\d+)\.audio_injector\.attn\.q\.weight", name) for name in shapes]
    if any(own):
        return tuple(sorted(int(found[1]) for found in own if found))
    count = _count(shapes, r"audio_injector\.injector\.(\d+)\.q\.weight")
    named = given.get("audio_inject_layers") or AUDIO_INJECT_LAYERS
    if not isinstance(named, list | tuple) or not all(isinstance(layer, int) for layer in named):
        raise _wrong("audio_inject_layers", named, "a list of whole numbers")
    layers = tuple(named)
    if len(layers) != count or max(layers, default=0) >= num_layers:
        raise InputError(
            f"{count} audio injectors in {num_layers} blocks, but they are known for {layers}",
            hint="put the model's config.json, with audio_inject_layers, beside its weights",
        )
    return layers


def _count(names: Mapping[str, object], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _check_switches(given: Mapping[str, object]) -> None:
    for name, value in _FIXED.items():
        found = given.get(name, value)
        if (list(found) if isinstance(found, tuple) else found) != value:
            raise InputError(
                f"config.json: {name} is {found}, this implementation has {value} only",
                hint="take the weights of Wan-AI/Wan2.2-S2V-14B or a model made from them",
            )
