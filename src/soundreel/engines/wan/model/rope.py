"""Where every token stands in time and space, and the rotary angles of that place.

Source: Wan-Video/Wan2.2, wan/modules/s2v/s2v_utils.py (`rope_precompute`), model_s2v.py and
motioner.py (`FramePackMotioner`). Angles are float64, the tables that leave this module float32.

Order of the tokens: noisy | reference | motion 1x | motion 2x | motion 4x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from soundreel.engines.wan22 import MOTION_SCALES, MotionScale

THETA = 10000.0
"""Base of the rotary frequencies (`rope_params` of wan/modules/model.py)."""

REFERENCE_TIME = 30
"""The reference picture stands at this latent time, behind any noisy frame (model_s2v.py)."""

Places = tuple[Sequence[int], Sequence[int], Sequence[int]]
"""Times, rows and columns; the tokens are their product, columns fastest."""


def rotary_table(
    num_frames: int,
    height: int,
    width: int,
    head_dim: int,
    *,
    reference: bool,
    motion: bool,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Cosine and sine for all tokens: two float32 tensors (tokens, head_dim / 2).

    num_frames, height, width: of the noisy latents (before the 1x2x2 patches).
    """
    rows, columns = range(height // 2), range(width // 2)
    places: list[Places] = [(range(num_frames), rows, columns)]
    if reference:
        places.append(([REFERENCE_TIME], rows, columns))
    if motion:
        places.extend(_motion_places(scale, height, width) for scale in MOTION_SCALES)
    angles = torch.cat([_angles(place, head_dim) for place in places])  # (tokens, head_dim / 2)
    return angles.cos().float().to(device), angles.sin().float().to(device)


def _motion_places(scale: MotionScale, height: int, width: int) -> Places:
    """Coarse tokens are spread over the full grid of rows and columns; the past is negative."""
    frames, rows, columns = scale.kernel
    last_time = scale.first_time - scale.frames + 1
    times = _spread(scale.first_time, last_time, scale.frames // frames)
    return (
        [-time for time in times],
        _spread(0, height // 2 - 1, height // rows),
        _spread(0, width // 2 - 1, width // columns),
    )


def _spread(first: int, last: int, count: int) -> list[int]:
    """`count` whole numbers from first to last: linspace, cut towards zero as the official code."""
    return [int(value) for value in np.linspace(first, last, count).astype(int)]


def _angles(places: Places, head_dim: int) -> Tensor:
    """Rotary angles of the product of times, rows and columns: float64 (tokens, head_dim / 2).

    A head's pairs are split between time, height and width: d - 4 (d // 6), 2 (d // 6), 2 (d // 6).
    """
    space_dim = 2 * (head_dim // 6)
    parts = []
    for axis, dim in enumerate((head_dim - 2 * space_dim, space_dim, space_dim)):
        inverse = 1.0 / THETA ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        position = torch.tensor(list(places[axis]), dtype=torch.float64)
        shape = [1, 1, 1, dim // 2]
        shape[axis] = len(position)
        parts.append(torch.outer(position, inverse).view(shape))
    sizes = [len(positions) for positions in places]
    return torch.cat([part.expand(*sizes, -1) for part in parts], dim=-1).flatten(0, 2)
