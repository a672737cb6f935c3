"""Shapes round a middle: points on circles, spokes between two of them. Angles are in turns, 0 at
the bottom, clockwise as seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.staging.layout import Layout

Doubles = NDArray[np.float64]


def on_circle(
    centre: tuple[float, float], radius: NDArray[np.floating] | float, turns: NDArray[np.floating]
) -> Doubles:
    """(n, 2) x y in pixels."""
    angle = 2 * np.pi * turns
    x, y = centre[0] - radius * np.sin(angle), centre[1] + radius * np.cos(angle)
    return np.stack(np.broadcast_arrays(x, y), axis=-1)


def spokes(
    centre: tuple[float, float],
    turns: Doubles,
    inner: NDArray[np.floating] | float,
    outer: NDArray[np.floating],
    width: float,
) -> Doubles:
    """(n, 4, 2): a straight bar of `width` pixels outwards at each of n turns."""
    angle = 2 * np.pi * turns
    along = np.stack([-np.sin(angle), np.cos(angle)], axis=1)[:, None]
    across = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None] * (width / 2)
    first, last = (np.broadcast_to(value, turns.shape)[:, None, None] for value in (inner, outer))
    sides = (first * along - across, last * along - across, last * along + across)
    corners = np.concatenate([*sides, first * along + across], axis=1)
    return np.asarray(corners + np.array(centre))


def places(layout: Layout, centre: tuple[float, float]) -> tuple[Doubles, Doubles]:
    """(h, w) of each pixel: its distance from the middle in pixels, and its turn, 0..1."""
    x = np.arange(layout.width) + 0.5 - centre[0]
    y = np.arange(layout.height) + 0.5 - centre[1]
    turns = np.arctan2(-x[None], y[:, None]) / (2 * np.pi)
    return np.hypot(x[None], y[:, None]), turns % 1.0
