"""A look before its ground."""

from __future__ import annotations

from soundreel.engines.preview.canvas.layer import Layer, dimmed, over
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.staging.ground import Ground
from soundreel.engines.preview.staging.stage import Look
from soundreel.types import Rgb


class LookScene:
    """Frame i is a pure function of the look, the ground, the drive and i."""

    def __init__(self, look: Look, ground: Ground, drive: Drive) -> None:
        self._look, self._ground, self._drive = look, ground, drive

    def frame(self, i: int) -> Rgb:
        ground = self._ground
        picture = over(ground.picture, self._look.draw(i), ground.light(self._drive, i))
        light = float(self._drive.light[i])
        return picture if light == 1 else dimmed(picture, light)

    def layer(self, i: int) -> Layer:
        """The look alone."""
        light = float(self._drive.light[i])
        layer = self._look.draw(i)
        return layer if light == 1 else dimmed(layer, light)


class OverlayScene(LookScene):
    """A look that a film will lie beneath."""

    def frame(self, i: int) -> Layer:
        return self.layer(i)
