"""ComfyUI's formats below and beside 8-bit floats, restored by formula.

int8_tensorwise: whole numbers with a scale a layer or a row. "convrot": before rounding, groups of
a row were turned by an orthogonal matrix, which spreads outliers; the same matrix turns them back.
convrot_w4a4: so too, with two numbers a byte. nvfp4, mxfp8: small floats with a scale for every 16
or 32 numbers of a row (Open Compute Project, "Microscaling Formats (MX) v1.0"), the scales in the
order in which cuBLAS takes them.
Source of the layouts: ComfyUI 0.33 (comfy/quant_ops.py) and comfy-kitchen 0.2, by their files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soundreel.engines.wan.load.quantised import Parts, by_rows


@dataclass(frozen=True, slots=True)
class Int8:
    """group: numbers that were rotated together, a power of 4; 0 for none. Parts: weight (rows,
    columns), scale () or (rows, 1)."""

    group: int = 0

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        whole, scale = (
            parts["weight"],
            parts["scale"].reshape(-1, 1).expand(len(parts["weight"]), 1),
        )

        def made(part: slice) -> Tensor:
            return rotated(whole[part].float().mul_(scale[part]), self.group)

        return by_rows(len(whole), whole.shape[1], dtype, whole, made)


@dataclass(frozen=True, slots=True)
class Int4:
    """Two signed numbers a byte, the first in the low half. group, parts: as `Int8`, with half the
    columns."""

    group: int = 0

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        packed = parts["weight"]
        scale = parts["scale"].reshape(-1, 1).expand(len(packed), 1)

        def made(part: slice) -> Tensor:
            halves = packed[part]
            both = torch.stack([(halves << 4) >> 4, halves >> 4], dim=-1).flatten(1)
            return rotated(both.float().mul_(scale[part]), self.group)

        return by_rows(len(packed), 2 * packed.shape[1], dtype, packed, made)


@dataclass(frozen=True, slots=True)
class NvFp4:
    """Floats of 4 bits, two a byte, the first in the high half; a scale for every 16 in F8_E4M3 and
    one for all. Parts: weight (rows, columns / 2), blocks (scales as stored), scale (), perhaps
    pre_quant_scale (columns,), by which a writer divided the columns' inputs."""

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        packed = parts["weight"].view(torch.uint8)
        rows, columns = len(packed), 2 * packed.shape[1]
        stored = parts["blocks"].view(torch.float8_e4m3fn).float()
        scales = straightened(stored, rows, columns // 16) * parts["scale"]
        inputs = parts.get("pre_quant_scale")

        def made(part: slice) -> Tensor:
            codes = torch.stack([packed[part] >> 4, packed[part] & 15], dim=-1)
            numbers = _e2m1(codes).view(-1, columns // 16, 16).mul_(scales[part, :, None])
            numbers = numbers.view(-1, columns)
            return numbers if inputs is None else numbers.mul_(inputs.float())

        return by_rows(rows, columns, dtype, packed, made)


@dataclass(frozen=True, slots=True)
class MxFp8:
    """F8_E4M3 with a power of two for every 32 of a row; exponent 0 stands for a scale of 0. Parts:
    weight (rows, columns), blocks (exponents as stored, plus 127)."""

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        weight = parts["weight"].view(torch.float8_e4m3fn)
        rows, columns = weight.shape
        exponents = straightened(parts["blocks"].view(torch.uint8).float(), rows, columns // 32)
        scales = torch.exp2(exponents - 127) * (exponents > 0)

        def made(part: slice) -> Tensor:
            numbers = weight[part].float().view(-1, columns // 32, 32)
            return numbers.mul_(scales[part, :, None]).view(-1, columns)

        return by_rows(rows, columns, dtype, weight, made)


def rotated(rows: Tensor, group: int) -> Tensor:
    """Every `group` neighbours of a row times H, which undoes itself: the Kronecker power of the
    4 x 4 matrix of ones with -1 on the second diagonal, divided by the root of its size. A group of
    0 is none."""
    ones = torch.ones(4, 4, device=rows.device, dtype=rows.dtype)
    four = (ones - 2 * torch.eye(4, device=rows.device, dtype=rows.dtype).flip(0)) / 2
    turned, after = rows, 1
    while after < group:  # one base-4 digit of the place within the group after the other
        turned = torch.einsum("ij,njk->nik", four, turned.reshape(-1, 4, after))
        after *= 4
    return turned.reshape(rows.shape)


def straightened(stored: Tensor, rows: int, columns: int) -> Tensor:
    """Scales in the order of the weight's blocks (rows, columns), from tiles of 128 x 4 that are
    kept as 32 x 4 x 4; the padding to whole tiles is cut off."""
    high, wide = -(-rows // 128), -(-columns // 4)
    tiles = stored.reshape(high, wide, 32, 4, 4).permute(0, 3, 2, 1, 4)
    return tiles.reshape(high * 128, wide * 4)[:rows, :columns]


def _e2m1(codes: Tensor) -> Tensor:
    """Floats with one bit of mantissa and two of exponent: 0, .5, 1, 1.5, 2, 3, 4, 6, then the
    negative ones."""
    size = (codes & 7).float()
    exponent = torch.clamp(torch.floor(size / 2), min=1) - 1
    mantissa = torch.where(size < 2, size / 2, 1 + (size % 2) / 2)
    made = mantissa * torch.exp2(exponent)
    return torch.where(codes >= 8, -made, made)
