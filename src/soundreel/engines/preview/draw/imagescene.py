"""The picture with an image: the camera looks from view to view and drifts in depth, beats zoom,
bass draws the background apart and ripples, lamps change with the sections, and coloured light
plays behind what is near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soundreel.engines.preview.canvas.grid import make_grid, working_size
from soundreel.engines.preview.canvas.ops import (
    Floats,
    held,
    lit,
    moved,
    padded,
    resize,
    split,
    tiled,
    to_bytes,
)
from soundreel.engines.preview.draw.camera import AMOUNT, Camera, Motion, Pose
from soundreel.engines.preview.draw.layers import Particles, Rings, Waves
from soundreel.engines.preview.draw.pictures import GLOW_STEP, FrameWarp, ImageSource
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.look.palettes import colour_table, coloured
from soundreel.types import Rgb

COARSE = 8
"""Displacements are smooth: they are worked out on every eighth pixel."""

LIGHT_SHARE = 0.10
"""Pixels of the light to those of the frame: it is soft."""

GAIN = 192
"""What stands for light that neither dims nor brightens, in bytes."""

SWING = 0.3
"""How far the lamp swings, of the length of its direction."""

DARK = 110.0
"""A darker image, by its mean level, has little for a lamp to light: it gets light of its own."""

DUST = 140

WAVES_AT = 0.82
"""Height of a voice's strings: below the face."""


class ImageScene:
    """Frame i is a pure function of the source, the drive, the composition and i."""

    def __init__(
        self,
        width: int,
        height: int,
        source: ImageSource,
        drive: Drive,
        look: Composition,
        warps: Sequence[FrameWarp] = (),
        motion: Motion = "full",
        start: int = 0,
    ) -> None:
        """start: the first frame that will be asked for."""
        self._size, self._source, self._drive, self._look = (width, height), source, drive, look
        self._warps = warps
        self._camera = Camera((width, height), source, drive, look, motion, start)
        self._reaction = min(look.character.reaction, 1.6) * AMOUNT[motion]
        self._pixels = padded(source.canvas)
        self._darkness = max(0.0, 1 - float(source.canvas.mean()) / DARK)
        coarse = (max(4, width // COARSE), max(4, height // COARSE))
        self._grid = make_grid(coarse, look.centre)
        self._middled = make_grid(coarse, (0.5, 0.5))
        self._base = _positions((width, height), coarse)
        self._work = working_size(width, height, LIGHT_SHARE)
        light_grid = make_grid(self._work, (0.5, 0.5))
        self._still = np.zeros_like(light_grid.x)
        self._rings = Rings(light_grid, look.shapes["rings"])
        strings = make_grid(self._work, (look.centre[0], WAVES_AT))
        self._waves = Waves(strings, look.seed) if look.shapes["waves"] > 0 else None
        self._dust = Particles(light_grid, look.seed, DUST)
        self._table = colour_table(replace(look.palette, deep="#000000"))  # no tone, no light
        noise = np.random.default_rng(9).uniform(0, 1, (*self._work[::-1], 1))
        self._dither = noise.astype(np.float32)

    def frame(self, i: int) -> Rgb:
        pose = self._camera.at(i)
        pixels, (coarse, near) = self._pixels, self._where(i, pose)
        for warp in self._warps:
            pixels, coarse = warp.apply(pixels, i), warp.bend(coarse, i)
        picture = moved(pixels, resize(coarse, self._size))
        light = self._light(i, pose, coarse, near)
        gain = resize(self._gain(i, pose, near), self._work)
        gain *= 1 - light * (1 / 255)  # light laid over a picture brightens and never clips
        dim = np.float32(self._drive.light[i])
        return lit(picture, to_bytes(gain * (GAIN * dim)), to_bytes(light * dim), GAIN)

    def _where(self, i: int, pose: Pose) -> tuple[Floats, Floats]:
        """(h, w, 2) canvas position shown at each coarse pixel, and (h, w) how near it is."""
        drive, unit = self._drive, min(self._size)
        cos, sin = np.cos(pose.roll) / pose.zoom, np.sin(pose.roll) / pose.zoom
        turn = np.array([[cos, sin], [-sin, cos]], np.float32)
        where = self._base @ turn
        where += np.array(pose.centre, np.float32)
        near = self._depth_at(where)
        amount = self._reaction
        beat = (0.036 * float(drive.pulse[i]) + 0.018 * float(drive.flash[i])) * amount
        bass = 0.055 * float(drive.bass[i]) * amount
        away = where - np.array(self._source.anchor, np.float32)
        where -= (
            away * (near * np.float32(beat) + (1 - near) * np.float32(beat * 0.5 + bass))[..., None]
        )
        travel = float(drive.travel[i]) * self._look.character.pace
        sway = np.array([np.sin(travel * 2.2), 0.6 * np.sin(travel * 1.7 + 1)]) * 0.03
        aside = (sway * amount + pose.aside) * unit
        where += (near - 0.4)[..., None] * aside.astype(np.float32)
        where += self._ripple(i, 0.0045 * unit * amount) * (1 - 0.85 * near)[..., None]
        return where, near

    def _ripple(self, i: int, size: float) -> Floats:
        """Rings of displacement that run outwards, as deep as the bass is strong."""
        grid, drive = self._grid, self._drive
        wave = np.sin(grid.radius * 20 - np.float32(drive.travel[i] * 11 % (2 * np.pi)))
        depth = wave * np.float32(size * float(drive.bass[i])) / (grid.radius + 0.25)
        return np.dstack([grid.x * depth, grid.y * depth])

    def _gain(self, i: int, pose: Pose, near: Floats) -> Floats:
        """(h, w, 3) how much of the image is lit: the view's lamp from one side, in its colour;
        what is near stays light, sound opens the rest."""
        drive, grid = self._drive, self._middled
        energy = float(drive.swell[i])
        open_ = float(drive.openness[i])
        share = near * np.float32(0.36)
        share += np.float32(0.44 + 0.18 * energy + 0.14 * open_)
        share *= 1 + (0.95 - 0.35 * open_) * self._side(i, pose)
        share /= 1 + np.float32(0.5 - 0.35 * open_) * grid.radius_squared
        np.clip(share, 0.1, 1.3, out=share)
        tint = self._tint(i, pose)
        amount = (0.75 - 0.25 * open_ - 0.45 * near)[..., None]
        return np.asarray(share[..., None] * (1 + (tint - 1) * amount), np.float32)

    def _side(self, i: int, pose: Pose) -> Floats:
        """(h, w) about -1 to 1, towards the lamp; it swings as the sound goes on."""
        swing = float(self._drive.travel[i]) * self._look.character.pace * 2.3
        x, y = pose.lamp[0] + SWING * np.sin(swing), pose.lamp[1] + SWING * np.sin(0.8 * swing + 1)
        return self._middled.x * np.float32(x) + self._middled.y * np.float32(y)

    def _tint(self, i: int, pose: Pose) -> Floats:
        """(3,) colour of the lamp, of mean 1."""
        hue = self._look.hue + pose.hue + 0.2 * float(self._drive.mids[i])
        tone = np.full((1, 1), 0.85, np.float32)
        colour = coloured(self._table, tone, float(hue % 1))[0, 0]
        return np.asarray(colour / max(float(colour.mean()), 1.0), np.float32)

    def _light(self, i: int, pose: Pose, coarse: Floats, near: Floats) -> Floats:
        """The image's own highlights and the light behind it, (h, w, 3) 0..255 at working size."""
        drive, character = self._drive, self._look.character
        amount = 0.10 + 0.34 * float(drive.glow[i]) * character.reaction
        amount = min(0.9, (amount + 0.2 * float(drive.flash[i])) * character.bloom)
        quarter = resize(coarse, (max(2, self._work[0] // 2), max(2, self._work[1] // 2)))
        glow = tiled(self._source.glow, *split(quarter * (1 / GLOW_STEP)))
        glow = glow * np.float32(amount)
        glow += resize(self._leak(i, pose), (glow.shape[1], glow.shape[0]))
        colour = self._coloured(i, pose, near) + resize(glow, self._work)
        colour += self._dither
        return np.asarray(np.minimum(colour, 255), np.float32)

    def _leak(self, i: int, pose: Pose) -> Floats:
        """(h, w, 3) the lamp's own light, as it falls into the lens: beats and loud sounds."""
        drive = self._drive
        amount = self._darkness * (0.5 + 0.5 * float(drive.openness[i]))
        amount += 0.10 * float(drive.openness[i]) + 0.15 * float(drive.energy[i])
        amount += 0.45 * float(drive.pulse[i])
        fall = np.clip(self._side(i, pose) + 0.15 * self._darkness, 0, None)
        fall *= fall
        fall *= np.float32(150 * amount * self._reaction)
        return np.asarray(fall[..., None] * self._tint(i, pose), np.float32)

    def _coloured(self, i: int, pose: Pose, near: Floats) -> Floats:
        drive, look = self._drive, self._look
        behind = resize(np.clip(1.05 - 1.25 * near, 0, 1), self._work)
        tone = self._rings.draw(self._still, drive, i, self._seen(pose)) * behind
        if self._waves is not None:
            tone += self._waves.draw(drive, i) * 1.5
        tone += self._dust.draw(drive, i, look.character.pace)
        tone *= np.float32(0.7 * look.character.light)
        hue = 0.5 * float(drive.progress[i]) + 0.3 * float(drive.tone[i]) + look.hue + pose.hue
        return coloured(self._table, tone, float(hue % 1))

    def _seen(self, pose: Pose) -> tuple[float, float]:
        """Where the anchor is in the frame, in units of the smaller side from its middle."""
        unit = min(self._size) / pose.zoom
        x, y = self._source.anchor
        return (x - pose.centre[0]) / unit, (y - pose.centre[1]) / unit

    def _depth_at(self, where: Floats) -> Floats:
        """(h, w) nearness at canvas positions."""
        rows, columns = self._source.depth.shape
        height, width = self._source.canvas.shape[:2]
        x, y = split(where)
        return held(
            self._source.depth,
            (x + 0.5) * np.float32(columns / width) - 0.5,
            (y + 0.5) * np.float32(rows / height) - 0.5,
        )


class StillScene(ImageScene):
    """The image as it is, in its own light: only the camera moves, and what answers the sound by
    where it is."""

    def _gain(self, i: int, pose: Pose, near: Floats) -> Floats:  # noqa: ARG002
        return np.ones((*near.shape, 3), np.float32)

    def _light(self, i: int, pose: Pose, coarse: Floats, near: Floats) -> Floats:  # noqa: ARG002
        return np.zeros((*self._work[::-1], 3), np.float32)


def _positions(frame: tuple[int, int], coarse: tuple[int, int]) -> Floats:
    """(h, w, 2) frame position of every coarse pixel's centre from the frame's own, as resizing
    counts."""
    x, y = (
        (np.arange(few, dtype=np.float32) + 0.5) * np.float32(many / few) - 0.5 - (many - 1) / 2
        for many, few in zip(frame, coarse, strict=True)
    )
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)
