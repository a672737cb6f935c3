"""Takes that drift by one thing each, and a measure of how far they did."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.post.steady import Steady
from soundreel.types import Chunk, Rgb

SIZE = (96, 64)
CHUNK, RATE = 40, 8  # five seconds


def scene(at: int) -> Rgb:
    """A coloured scene with fine grain in which things move; every picture is another."""
    width, height = SIZE
    random = np.random.default_rng(7)
    picture = np.zeros((height, width, 3), np.float32)
    picture[:] = np.linspace((70, 60, 50), (130, 140, 160), height)[:, None]
    picture[:, : width // 4] += (50, 0, -30)
    picture[:, -width // 4 :] += (-30, 30, 10)
    for blob in range(8):
        x, y = random.uniform(0, width), random.uniform(0, height)
        colour = random.uniform(30, 225, 3)
        x += 9 * np.sin(at / 4.5 + blob)
        y += 6 * np.cos(at / 3.5 + 2 * blob)
        cv2.circle(picture, (round(x), round(y)), 9 + blob, colour.tolist(), -1, cv2.LINE_AA)
    grain = random.normal(0, 9, (height, width, 1)).astype(np.float32)
    return _levels(picture * 0.8 + 20 + grain)


def _brighter(rgb: Rgb, share: float) -> Rgb:
    return _levels(rgb + 30.0 * share)


def _contrast(rgb: Rgb, share: float) -> Rgb:
    return _levels((rgb - 116.0) * (1 + 0.3 * share) + 116)


def _hue(rgb: Rgb, share: float) -> Rgb:
    """20 degrees around grey."""
    angle = np.radians(20 * share)
    along = np.full(3, 3**-0.5)
    cross = np.cross(np.eye(3), along)
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross
    turn += (1 - np.cos(angle)) * np.outer(along, along)
    return _levels((rgb - 116.0) @ turn.T + 116)


def _sharper(rgb: Rgb, share: float) -> Rgb:
    wide = rgb.astype(np.float32)
    return _levels(wide + 0.6 * share * (wide - cv2.GaussianBlur(wide, (0, 0), 1.0)))


def _softer(rgb: Rgb, share: float) -> Rgb:
    wide = rgb.astype(np.float32)
    return _levels(wide + 0.5 * share * (cv2.GaussianBlur(wide, (0, 0), 1.0) - wide))


def _levels(values: object) -> Rgb:
    levels: Rgb = np.clip(np.rint(np.asarray(values)), 0, 255).astype(np.uint8)
    return levels


DRIFTS: dict[str, Callable[[Rgb, float], Rgb]] = {
    "brightness": _brighter,
    "contrast": _contrast,
    "hue": _hue,
    "sharper": _sharper,
    "softer": _softer,
}


def drift_left(kind: str, clean: Sequence[Rgb], shown: Sequence[Rgb]) -> float:
    """How far the last part lies from the clean take, by what drifts."""
    pairs = list(zip(clean, shown, strict=True))[-CHUNK:]
    return float(abs(np.mean([_distance(kind, *pair) for pair in pairs])))


def _distance(kind: str, clean: Rgb, shown: Rgb) -> float:
    one, other = clean.astype(np.float64), shown.astype(np.float64)
    if kind == "hue":  # the angle that turns one picture's colours into the other's, around grey
        return float(np.degrees(np.angle(np.vdot(_colours(one), _colours(other)))))
    grey, other_grey = one.mean(axis=2), other.mean(axis=2)
    if kind == "brightness":
        return float(other_grey.mean() - grey.mean())
    if kind == "contrast":
        return float(np.log(other_grey.std() / grey.std()))
    return _sharpness(other_grey) - _sharpness(grey)


def _colours(rgb: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Colour without grey, as points of a plane."""
    red, green, blue = (rgb[..., i].ravel() for i in range(3))
    found: NDArray[np.complex128] = red - (green + blue) / 2 + 1j * (green - blue) * 3**0.5 / 2
    return found


def _sharpness(grey: NDArray[np.float64]) -> float:
    return float(np.log(np.std(cv2.Laplacian(grey, cv2.CV_64F)) / grey.std()))


def chunks_of(parts: int) -> list[Chunk]:
    """One shot in so many parts."""
    return [Chunk(i, 0, i * CHUNK, CHUNK, 0, i * CHUNK, CHUNK) for i in range(parts)]


def show(steady: Steady, chunks: Sequence[Chunk], pictures: Sequence[Rgb]) -> list[Rgb]:
    """All pictures, corrected part by part."""
    shown = []
    for chunk in chunks:
        steady.enter(chunk)
        shown += [steady.corrected(rgb) for rgb in pictures[chunk.start_frame : chunk.end_frame]]
    return shown


def psnr(one: Rgb, other: Rgb) -> float:
    """Decibels; infinite where both are equal."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
