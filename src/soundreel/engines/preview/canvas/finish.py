"""From the working picture to the frame: bloom, dither, size."""

from __future__ import annotations

import numpy as np

from soundreel.engines.preview.canvas.ops import Floats, blur, enlarged, resize, shrink, to_bytes
from soundreel.types import Rgb


class Finisher:
    """Colour planes are (h, w, 3) float32, sRGB 0..255."""

    def __init__(self, work: tuple[int, int], frame: tuple[int, int]) -> None:
        self._work, self._frame = work, frame
        self._near = (max(2, work[0] // 2), max(2, work[1] // 2))
        self._wide = (max(2, work[0] // 8), max(2, work[1] // 8))
        noise = np.random.default_rng(9).uniform(-0.5, 0.5, (work[1], work[0], 1))
        self._dither = np.repeat(noise, 3, axis=2).astype(np.float32)

    def finish(self, colour: Floats, bloom: float) -> Rgb:
        """The frame. `colour` is used up.

        Bloom fills what room is left below white, so nothing clips. The dither is a still pattern
        of half a level: enough against banding, and the encoder is not fed noise.
        """
        glow = self._bloom(colour, bloom)
        room = colour * (-1 / 255)
        room += 1
        glow *= room
        colour += glow
        colour += self._dither
        small = to_bytes(colour)
        return enlarged(small, self._frame)

    def _bloom(self, colour: Floats, amount: float) -> Floats:
        """Light that bleeds from what is bright: a near glow and a wide one."""
        bright = np.maximum(shrink(colour, self._near) - 100, 0)
        unit = min(self._work)
        near = blur(bright, unit * 0.0055)
        wide = blur(shrink(bright, self._wide), unit * 0.009)
        near += resize(wide, self._near, smooth=True) * 1.1
        return resize(near * np.float32(amount), self._work)
