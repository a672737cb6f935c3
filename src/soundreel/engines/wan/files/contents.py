"""What a weight file holds, as values: the name, number type and shape of every tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """dtype in safetensors' names ("BF16", "F8_E4M3") or GGUF's ("Q4_K"); shape in torch's order;
    start, end: bytes of the data in a safetensors file, counted from the file's start."""

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """container: "safetensors", "pickle", "gguf" or "torchscript"."""

    container: str
    tensors: Mapping[str, TensorHeader]
    metadata: Mapping[str, str] = field(default_factory=dict)
