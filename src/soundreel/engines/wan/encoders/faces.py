"""Where each speaker's sound acts: the faces of a picture on the grid of the model's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan.encoders.pictures import reference_pixels
from soundreel.engines.wan22 import SIZE_MULTIPLE
from soundreel.errors import InputError, mention
from soundreel.media.regions import coverage
from soundreel.types import Face, Rgb


def face_masks(
    faces: Sequence[Face], picture: Rgb, width: int, height: int, *, official: bool = False
) -> Tensor:
    """(speakers, 1, height / 16, width / 16), the share of each in every token; they add up to 1.

    The faces are scaled and cut as their picture is (`official`: see `reference_pixels`). Raises
    InputError where that leaves nothing of one.
    """
    covered = torch.stack([_on_tokens(face, picture, width, height, official) for face in faces])
    for face, own in zip(faces, covered, strict=True):
        if not own.any():
            raise InputError.about(
                {"cast": f"{face.name}=@{face.region}"},
                f"nothing of it is left of the picture at {width}x{height}",
                f"take a {mention('size')} of the image's shape, or cut the image yourself",
            )
    return shares(covered)[:, None]


def shares(covered: Tensor) -> Tensor:
    """What each of (speakers, h, w) covers, so that all add up to 1: where several are they share,
    and what nobody covers belongs to all of them in equal parts.

    So each token gets as much of the sound as the model was trained with.
    """
    total = covered.sum(0)
    return covered / total.clamp(min=1) + (1 - total).clamp(min=0) / len(covered)


def _on_tokens(face: Face, picture: Rgb, width: int, height: int, official: bool) -> Tensor:
    """How much of each token's pixels is the face's, 0 to 1."""
    rows, columns = picture.shape[:2]
    levels = np.rint(coverage(face.region, columns, rows) * 255).astype(np.uint8)
    grey = np.repeat(levels[..., None], 3, axis=2)
    pixels = (reference_pixels(grey, width, height, official=official)[:, 0, 0] + 1) / 2
    return F.avg_pool2d(pixels, SIZE_MULTIPLE)[0]
