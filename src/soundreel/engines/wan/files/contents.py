"""What a weight file holds, as values: the name, number type and shape of every tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soundreel.engines.tensors import TensorHeader


@dataclass(frozen=True, slots=True)
class Header:
    """container: "safetensors", "pickle", "gguf" or "torchscript"."""

    container: str
    tensors: Mapping[str, TensorHeader]
    metadata: Mapping[str, str] = field(default_factory=dict)
