"""Files of FILM and RIFE with numbers by a rule: as large as the real ones, so they are made, not
kept."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

DATA = Path(__file__).parents[1] / "data"


def film_weights() -> dict[str, Tensor]:
    """As the recording was made; names and shapes of film_net_fp16.safetensors."""
    return _by_rule("film_keys.json")


def rife_weights() -> dict[str, Tensor]:
    """So, too; names and shapes of rife_v4.26.safetensors."""
    return _by_rule("rife_keys.json")


def _by_rule(keys: str) -> dict[str, Tensor]:
    shapes: Mapping[str, list[int]] = json.loads((DATA / keys).read_text())
    return {name: _numbers(name, shape) for name, shape in shapes.items()}


def save_film(weights: Mapping[str, Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half() for name, tensor in weights.items()}, path)
    return path


def _numbers(name: str, shape: list[int]) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    numbers = torch.randn(shape, generator=generator)
    return numbers / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else numbers * 0.02
