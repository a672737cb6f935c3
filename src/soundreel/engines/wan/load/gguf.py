"""GGUF's blocks of numbers: held as they lie in the file, unpacked on use in float32.

A row is a whole number of blocks; a block holds 32 or 256 numbers with their scales
(ggml-org/ggml, ggml-common.h). diffusers has the arithmetic of each type; in its own default of
float16 the numbers are off by up to 7e-4, in float32 they equal those of the package `gguf`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soundreel.engines.wan.files.gguf import BLOCKS
from soundreel.engines.wan.load.quantised import Parts, by_rows


@dataclass(frozen=True, slots=True)
class Packed:
    """type: GGUF's name of it, such as "Q4_K". Parts: weight (rows, bytes of a row)."""

    type: str

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        packed = parts["weight"].view(torch.uint8)
        numbers, size = BLOCKS[self.type]
        rows, length = packed.shape
        columns = length // size * numbers

        def made(part: slice) -> Tensor:
            return self._unpacked(packed[part].reshape(-1, size)).view(-1, columns)

        return by_rows(rows, columns, dtype, packed, made)

    def _unpacked(self, blocks: Tensor) -> Tensor:
        """(blocks, bytes) -> (blocks, numbers), float32."""
        from diffusers.quantizers.gguf.utils import dequantize_functions
        from gguf import GGMLQuantizationType

        unpack = dequantize_functions[GGMLQuantizationType[self.type]]
        numbers: Tensor = unpack(blocks, *BLOCKS[self.type], dtype=torch.float32)
        return numbers
