"""Corrections on floats are those on 8-bit pictures."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from soundreel.engines.wan.encoders.colour import corrected
from soundreel.engines.wan.encoders.pictures import to_rgb
from soundreel.post.steady import Correction
from soundreel.post.steady.correction import ColourMap, colour_table

MAP = ColourMap(
    np.array([0.5, 0.01, -0.02]),
    np.array([[1.1, 0.02, 0], [0, 0.9, 0.1], [0, -0.1, 0.95]]),
    np.array([0.05, 0.02, -0.03]),
)


@pytest.mark.parametrize("sharpen", [0.0, 0.7, -0.4])
@pytest.mark.parametrize("coloured", [False, True])
def test_floats_and_levels_are_corrected_alike(sharpen: float, coloured: bool) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (40, 56, 3), np.uint8)
    correction = Correction(colour_table(MAP, 0.8) if coloured else None, sharpen)
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None, :, None] / 127.5 - 1
    found = to_rgb(corrected(picture, correction))[0].astype(int)
    assert np.abs(found - correction.applied(rgb)).max() <= 2
    assert np.abs(found - rgb).max() > 8 or not (sharpen or coloured)
