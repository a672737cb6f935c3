"""Which tensor a maker of GGUF files puts into which type, and the size that comes of it.

The rule is that of city96/ComfyUI-GGUF (tools/convert.py and lcpp.patch), the type numbers are
llama.cpp's. Files of S2V that people have are larger than the rule alone makes them: 13.9 GB in
Q4_K_M and 12.8 GB in Q4_0, as reported. That fits the rule where the layers for sound stay in 16
bits, so they do here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from soundreel.engines.wan.files.gguf import BLOCKS, PLAIN

_SOUND = ("audio_injector.", "casual_audio_encoder.")
_KEPT = (
    *("modulation", "patch_embedding.", "text_embedding.", "time_projection."),
    *("time_embedding.", "img_emb.", "head."),
)
_SMALL = 1024
"""Numbers up to which a tensor stays in 32 bits."""

MIXES: Mapping[str, tuple[str, str, str, int]] = {
    # most; values; the second of a feed-forward; in how many blocks the values are so (0: all)
    "Q2_K": ("Q2_K", "Q3_K", "Q2_K", 0),
    "Q3_K_S": ("Q3_K", "Q3_K", "Q3_K", 0),
    "Q3_K_M": ("Q3_K", "Q5_K", "Q4_K", 2),
    "Q4_0": ("Q4_0", "Q4_0", "Q4_1", 0),
    "Q4_1": ("Q4_1", "Q4_1", "Q4_1", 0),
    "Q4_K_S": ("Q4_K", "Q5_K", "Q5_K", 4),
    "Q4_K_M": ("Q4_K", "Q6_K", "Q6_K", 0),
    "Q5_0": ("Q5_0", "Q5_0", "Q5_1", 0),
    "Q5_1": ("Q5_1", "Q5_1", "Q5_1", 0),
    "Q5_K_S": ("Q5_K", "Q5_K", "Q5_K", 0),
    "Q5_K_M": ("Q5_K", "Q6_K", "Q6_K", 0),
    "Q6_K": ("Q6_K", "Q6_K", "Q6_K", 0),
    "Q8_0": ("Q8_0", "Q8_0", "Q8_0", 0),
}

_AFTER: Mapping[str, str] = {"Q3_K_M": "Q4_K", "Q4_K_S": "Q4_K"}
"""Type of the values in the later blocks."""


def types_of(
    shapes: Mapping[str, Sequence[int]], mix: str, *, sound: bool = False
) -> dict[str, str]:
    """The type of each tensor of the transformer, by its official name. sound: its layers too."""
    return {name: _type(name, shape, mix, sound) for name, shape in shapes.items()}


def size_of(shape: Sequence[int], kind: str) -> int:
    """Bytes of a tensor in the file."""
    numbers = math.prod(shape)
    if kind in PLAIN:
        return numbers * PLAIN[kind]
    each, size = BLOCKS[kind]
    return numbers // each * size


def _type(name: str, shape: Sequence[int], mix: str, sound: bool) -> str:
    if len(shape) in (1, 5) or math.prod(shape) <= _SMALL or name.endswith(".modulation"):
        return "F32"
    kept = any(part in name for part in _KEPT) or (not sound and name.startswith(_SOUND))
    if len(shape) != 2 or not name.endswith("weight") or kept:
        return "F16"
    most, values, second, blocks = MIXES[mix]
    if name.endswith(".ffn.2.weight"):
        return second
    if name.endswith(".v.weight"):
        block = re.match(r"blocks\.(\d+)\.", name)
        later = bool(blocks) and (block is None or int(block[1]) >= blocks)
        return _AFTER[mix] if later else values
    return most
