"""What brings pictures back to how they should look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.post.steady.look import Floats, Look, blurred, root
from soundreel.types import Rgb

TABLE_SIDE = 33
"""Points of the colour table along each of red, green and blue."""

MOST_SHIFT, MOST_GAIN = 0.15, 1.6
"""More is no drift of a take but another scene: of black to white, and of contrast."""

MOST_SHARPENED, MOST_SOFTENED = 1.5, -0.7

_OWN_PLACE = 0.01
"""How much a colour's own place counts beside the place that it had in the first part."""

_POINTS = np.linspace(0, 1, TABLE_SIDE)
_RGB = np.stack(np.meshgrid(_POINTS, _POINTS, _POINTS, indexing="ij")[::-1], axis=-1)
_LAB = to_oklab(_RGB)  # [blue, green, red]: red runs fastest


@dataclass(frozen=True, slots=True)
class Correction:
    """table: (33, 33, 33, 3) float32, the colour for each [blue, green, red], 0 to 1; None leaves
    colours alone. sharpen: times the fine detail that is added; negative softens."""

    table: NDArray[np.float32] | None = None
    sharpen: float = 0.0

    def applied(self, rgb: Rgb) -> Rgb:
        """The picture, corrected."""
        if self.sharpen:
            wide = rgb.astype(np.float32)
            wide += np.float32(self.sharpen) * (wide - blurred(wide))
            rgb = np.clip(np.rint(wide), 0, 255).astype(np.uint8)
        if self.table is None:
            return rgb
        lut = ImageFilter.Color3DLUT(TABLE_SIDE, self.table.ravel(), _copy_table=False)
        return np.asarray(Image.fromarray(rgb).filter(lut))


@dataclass(frozen=True, slots=True)
class ColourMap:
    """Moves colours in Oklab: change @ (colour - mean) + mean + shift."""

    mean: Floats
    change: Floats
    shift: Floats

    def moved(self, lab: Floats) -> Floats:
        """(..., 3)."""
        moved: Floats = (lab - self.mean) @ self.change.T + self.mean + self.shift
        return moved

    def distance(self, look: Look) -> float:
        """How far it moves the colours of `look`, rms; black to white is 1."""
        off = self.change - np.eye(3)
        spread = np.trace(off @ look.covariance @ off.T)
        return float(np.sqrt(self.shift @ self.shift + spread))


def colour_map(now: Look, wanted: Look) -> ColourMap:
    """The affine map that gives the colours of `now` the mean and covariance of `wanted`.

    Of all that do, it is the one that turns hues as the small pictures say, or, where these have
    nothing in common, that moves colours least (the optimal map between Gaussians).
    """
    here, there = root(now.covariance), root(wanted.covariance)
    common = now.small.T @ wanted.small / len(now.small)
    agreement = root(now.covariance, -0.5) @ (common + _OWN_PLACE * now.covariance) @ there
    left, _, right = np.linalg.svd(agreement.T)
    left, gains, right = np.linalg.svd(there @ left @ right @ np.linalg.inv(here))
    change = left * np.clip(gains, 1 / MOST_GAIN, MOST_GAIN) @ right
    shift = wanted.mean - now.mean
    shift *= min(1.0, MOST_SHIFT / max(float(np.linalg.norm(shift)), 1e-9))
    return ColourMap(now.mean, change, shift)


def colour_table(found: ColourMap, share: float) -> NDArray[np.float32]:
    """The table of `Correction` that goes that share of the map's way."""
    back: Floats = np.clip(from_oklab(_LAB + share * (found.moved(_LAB) - _LAB)), 0, 1)
    return back.astype(np.float32)


def sharpening(now: Look, wanted: Look, share: float) -> float:
    """How much fine detail to add so that there is that share of what is wanted more of it: the
    root of e0 + 2 g e1 + g^2 e2 = goal, of the moments of the detail and its own detail."""
    e0, e1, e2 = now.detail
    goal = e0 * (wanted.detail[0] / max(e0, 1e-9)) ** share
    if e2 <= 1e-9:
        return 0.0
    inside = e1 * e1 - e2 * (e0 - goal)
    found = (-e1 + np.sqrt(max(inside, 0.0))) / e2
    return float(np.clip(found, MOST_SOFTENED, MOST_SHARPENED))
