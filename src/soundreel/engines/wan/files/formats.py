"""What kind of weights a file holds and in which number format: decided by its header alone.

The key names are those of the published files: the official Wan checkpoints (Wan-Video/Wan2.2),
ComfyUI's repackaged ones, diffusers and transformers folders, city96's GGUF files.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from soundreel.engines.tensors import TensorHeader, parse_json, parse_object
from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.gguf import BLOCKS, MIXES, PLAIN
from soundreel.engines.wan.files.headers import FETCH_AGAIN, read_tensor_bytes
from soundreel.engines.wan.files.limits import faults_of
from soundreel.engines.wan.model.names import without_prefix

Tensors = Mapping[str, TensorHeader]


class Kind(Enum):
    """What a file is; the value is how messages call it."""

    S2V = "Wan 2.2 S2V transformer"
    I2V = "Wan 2.2 I2V transformer (no sound input)"
    OTHER_WAN = "Wan transformer of another model (no sound input)"
    TEXT_ENCODER = "UMT5-XXL text encoder"
    OTHER_T5 = "T5 text encoder (not UMT5)"
    VAE = "Wan 2.1 VAE"
    OTHER_VAE = "VAE of another model"
    AUDIO_ENCODER = "wav2vec2 audio encoder"
    OTHER_AUDIO = "wav2vec2 audio encoder of the base size (S2V needs the large one)"
    LORA = "LoRA"
    FILM = "FILM frame interpolation"
    RIFE = "RIFE frame interpolation"
    UNKNOWN = "file of unknown kind"


_I2V_CHANNELS = 36
"""16 of noise, 4 of a mask, 16 of pictures. Wan 2.1's I2V has them too, and an image encoder."""

_WAV2VEC2_BASE = (
    768  # width of the base size (arXiv 2006.11477, section 4.2); the large one has 1024
)


def recognise(header: Header) -> Kind:
    """The kind of weights; UNKNOWN where no rule fits."""
    if header.container == "torchscript":
        return _torchscript(header.metadata.get("code", ""))
    tensors = without_prefix(header.tensors)
    return next((kind for rule in _RULES if (kind := rule(tensors))), Kind.UNKNOWN)


def _torchscript(code: str) -> Kind:
    film = all(word in code for word in ("extract", "predict_flow", "fuse"))
    return Kind.FILM if film else Kind.UNKNOWN


LORA_ENDINGS = re.compile(r"\.(lora_down|lora_up|lora_[AB](\.default)?)\.weight$|\.lora_[AB]$")


def _lora(tensors: Tensors) -> Kind | None:
    return Kind.LORA if any(LORA_ENDINGS.search(name) for name in tensors) else None


def _wan(tensors: Tensors) -> Kind | None:
    official = "blocks.0.self_attn.q.weight" in tensors
    if not official and "blocks.0.attn1.to_q.weight" not in tensors:
        return None
    if any(name.endswith("audio_encoder.encoder.final_linear.weight") for name in tensors):
        return Kind.S2V
    sees = any("img_emb." in name or "image_embedder." in name for name in tensors)
    return Kind.I2V if _channels(tensors) == _I2V_CHANNELS and not sees else Kind.OTHER_WAN


def _channels(tensors: Tensors) -> int:
    """Of the latents that go in; patches are 1x2x2, and GGUF may fold their dimensions."""
    patch, bias = tensors.get("patch_embedding.weight"), tensors.get("patch_embedding.bias")
    return 0 if patch is None or bias is None else patch.numel // bias.numel // 4


def _text_encoder(tensors: Tensors) -> Kind | None:
    if "blocks.0.pos_embedding.embedding.weight" in tensors:  # official UMT5 names
        return Kind.TEXT_ENCODER
    bias = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
    if bias.format(0) in tensors:  # T5 shares block 0's bias, UMT5 has one in every block
        return Kind.TEXT_ENCODER if bias.format(1) in tensors else Kind.OTHER_T5
    if "enc.blk.0.attn_q.weight" in tensors:  # llama.cpp's names
        own = "enc.blk.1.attn_rel_b.weight" in tensors
        return Kind.TEXT_ENCODER if own else Kind.OTHER_T5
    return None


def _vae(tensors: Tensors) -> Kind | None:
    gamma = "decoder.middle.0.residual.0.gamma" in tensors
    official = tensors.get("conv2.weight") if gamma else None
    diffusers = tensors.get("post_quant_conv.weight")
    for latent in (official, diffusers):  # the convolution that first meets the latent: 5-D in Wan
        if latent is not None and len(latent.shape) == 5:
            return Kind.VAE if latent.shape[0] == 16 else Kind.OTHER_VAE
    if "decoder.conv_in.weight" in tensors or "decoder.conv1.weight" in tensors:
        return Kind.OTHER_VAE
    return None


def _audio_encoder(tensors: Tensors) -> Kind | None:
    names = {name.removeprefix("wav2vec2."): tensor for name, tensor in tensors.items()}
    projection = names.get("feature_projection.projection.weight")
    if projection is None or "feature_extractor.conv_layers.0.conv.weight" not in names:
        return None
    return Kind.OTHER_AUDIO if projection.shape[:1] == (_WAV2VEC2_BASE,) else Kind.AUDIO_ENCODER


def _interpolator(tensors: Tensors) -> Kind | None:
    if "extract.extract_sublevels.convs.0.0.conv.weight" in tensors:
        return Kind.FILM
    rife = any(re.fullmatch(r"(module\.)?encode\.cnn0\.weight", name) for name in tensors)
    return Kind.RIFE if rife else None


_RULES: tuple[Callable[[Tensors], Kind | None], ...] = (
    *(_lora, _wan, _text_encoder, _vae, _audio_encoder, _interpolator),
)


# --- number formats ---------------------------------------------------------------------------

DECLARED = (*("float8_e4m3fn", "float8_e5m2", "int8_tensorwise", "nvfp4", "mxfp8", "convrot_w4a4"),)
"""ComfyUI's names of the formats that are loaded here."""

_NAMES = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F8_E4M3": "fp8", "F8_E5M2": "fp8_e5m2"}
SMALL_FLOATS = ("fp8", "nvfp4", "mxfp8")
"""What names of formats begin with that hold floats of 8 bits."""

_SHORT_NAMES = {"int8_tensorwise": "int8", "convrot_w4a4": "int4_convrot"}
_SCALES = (".scale_weight", ".weight_scale")
_MAX_NAME, _MAX_NAMES = 64, 8  # characters of a format's name, names that are told
_MAX_GROUP = 4**6


@dataclass(frozen=True, slots=True)
class Declared:
    """How a file says that a layer is quantised. group: numbers rotated together, or 0; exact: the
    weight is to be restored for every product."""

    name: str
    group: int = 0
    exact: bool = False

    def __str__(self) -> str:
        short = _SHORT_NAMES.get(self.name, self.name)
        return f"{short}_convrot" if self.group and "convrot" not in short else short


def number_format(path: Path, header: Header) -> str:
    """ "bf16", "fp16", "fp32", "fp8_scaled", "fp8" (scales missing), "int8", "int8_convrot",
    "nvfp4", "mxfp8", "int4_convrot", "GGUF Q4_K_M", or the name of another one."""
    foreign = foreign_formats(path, header)
    if foreign:
        return ", ".join(foreign)
    if header.container == "gguf":
        mix = MIXES.get(header.metadata.get("general.file_type", ""), "")
        true = any(mix.startswith(tensor.dtype) for tensor in header.tensors.values())
        return f"GGUF {mix if true else _most_bytes(header.tensors.values())}"
    if header.container == "torchscript":
        return "torchscript"
    declared = Counter(map(str, declared_quantisations(path, header).values()))
    [(name, _)] = declared.most_common(1) or [("", 0)]
    if name and not name.startswith("float8"):
        return name
    main = _most_bytes(header.tensors.values())
    scaled = any(name.endswith(_SCALES) for name in header.tensors)
    name = _NAMES.get(main, main)
    return f"{name}_scaled" if scaled and name.startswith("fp8") else name


def foreign_formats(path: Path, header: Header) -> list[str]:
    """Names of quantisations in the file that this project does not load, sorted."""
    weights = {t.dtype for n, t in header.tensors.items() if n.endswith(".weight")}
    if header.container == "gguf":
        return sorted(weights - set(BLOCKS) - set(PLAIN))[:_MAX_NAMES]
    declared = declared_quantisations(path, header)
    found = {each.name for each in declared.values()} - set(DECLARED)
    if header.container == "safetensors" and not declared:
        found |= {f"undeclared {dtype}" for dtype in weights & {"I8", "U8", "F4", "I32"}}
    return sorted(found)[:_MAX_NAMES]


def declared_quantisations(path: Path, header: Header) -> dict[str, Declared]:
    """Layer name -> format, from ComfyUI's file metadata or its `<layer>.comfy_quant` tensors.

    Raises InputError where they are malformed.
    """
    layers: dict[str, Declared] = {}
    with faults_of(path, "a weight file whose quantisation can be read", FETCH_AGAIN):
        text = header.metadata.get("_quantization_metadata")
        if text:
            entries = parse_object(text.encode()).get("layers", {})
            if not isinstance(entries, dict):
                raise ValueError("its _quantization_metadata names no layers")
            layers.update({name: _declared(entry) for name, entry in entries.items()})
        for name, tensor in header.tensors.items():
            if name.endswith(".comfy_quant") and header.container == "safetensors":
                entry = parse_json(read_tensor_bytes(path, tensor))
                layers[name.removesuffix(".comfy_quant")] = _declared(entry)
    return {name: entry for name, entry in layers.items() if entry.name}


def _declared(entry: object) -> Declared:
    """An entry is a format's name, or {"format": name, ...}, its parameters beside it or under
    "params"."""
    if isinstance(entry, str):
        return Declared(entry[:_MAX_NAME])
    if not isinstance(entry, dict):
        raise ValueError(f"a quantisation is a {type(entry).__name__}")
    name, inside = entry.get("format", "unnamed"), entry.get("params")
    if not isinstance(name, str):
        raise ValueError(f"a quantisation's name is a {type(name).__name__}")
    values = {**inside, **entry} if isinstance(inside, dict) else entry
    rotated = bool(values.get("convrot")) or name.startswith("convrot")
    exact = values.get("full_precision_matrix_mult") is True
    return Declared(name[:_MAX_NAME], _group(values) if rotated else 0, exact)


def _group(values: Mapping[str, object]) -> int:
    """Numbers that are rotated together: 256 where nothing else is said."""
    group = values.get("convrot_groupsize", values.get("groupsize", 256))
    if (
        type(group) is not int
        or not 4 <= group <= _MAX_GROUP
        or 4 ** round(math.log(group, 4)) != group
    ):
        raise ValueError(f"a rotation of {group!r} numbers: a power of 4 is needed")
    return group


def _most_bytes(tensors: Iterable[TensorHeader]) -> str:
    """The dtype that holds most of the numbers."""
    count: Counter[str] = Counter()
    for tensor in tensors:
        count[tensor.dtype] += tensor.numel
    return count.most_common(1)[0][0] if count else "empty"
