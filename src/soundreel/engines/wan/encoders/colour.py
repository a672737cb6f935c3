"""The corrections of `post.steady` on decoded pictures, as floats and where they lie."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan.encoders.pictures import to_rgb
from soundreel.post.steady import Correction, Steady

_KERNEL = (0.25, 0.5, 0.25)


def steadied(pictures: Tensor, steady: Steady) -> Tensor:
    """(1, 3, k, H, W) in -1..1, corrected one after the other: what the next part goes on from is
    what is shown, so that drift does not feed on itself."""
    made = []
    for picture in torch.split(pictures, 1, dim=2):
        correction = steady.correction(to_rgb(picture)[0])
        made.append(picture if correction is None else corrected(picture, correction))
    return torch.cat(made, dim=2)


def corrected(picture: Tensor, correction: Correction) -> Tensor:
    """(1, 3, 1, H, W) in -1..1."""
    flat = picture[:, :, 0].float()
    if correction.sharpen:
        flat = (flat + correction.sharpen * (flat - _blurred(flat))).clamp(-1, 1)
    if correction.table is not None:
        table = torch.from_numpy(correction.table).to(flat.device).permute(3, 0, 1, 2)[None]
        places = flat.permute(0, 2, 3, 1)[:, None]  # red, green, blue along the table's x, y, z
        flat = F.grid_sample(table, places, padding_mode="border", align_corners=True)[:, :, 0]
        flat = flat * 2 - 1
    return flat[:, :, None].to(picture.dtype)


def _blurred(flat: Tensor) -> Tensor:
    """(1, 3, H, W): as `post.steady.look.blurred`, the edges mirrored."""
    row = torch.tensor(_KERNEL, device=flat.device).expand(3, 1, 1, 3)
    wide = F.pad(flat, (1, 1, 1, 1), mode="reflect")
    across = F.conv2d(wide, row, groups=3)
    return F.conv2d(across, row.transpose(2, 3), groups=3)
