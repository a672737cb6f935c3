"""Parts of a piece of music, from its features alone: where they change, how open each one is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.drive.curves import Curve, smooth

WINDOW_S = 6.0
"""Each side of a border is heard for this long."""

MIN_SECTION_S = 5.0
"""Shorter ones are not sections but phrases."""

STEP_S = 0.5
"""Sections are looked for on this grid, then placed on the loudest change nearby."""

NOVELTY = 1.1
"""A border stands this far above the clip's usual change (in its deviations)."""


@dataclass(frozen=True, slots=True)
class Section:
    """Frames [start, end); openness 0 (the calmest of the clip) to 1 (the fullest)."""

    start: int
    end: int
    openness: float


def find_sections(
    loudness: Curve, bands: NDArray[np.float32], onset: Curve, fps: float
) -> tuple[Section, ...]:
    """Cut the clip where level, colour and density of the sound change together.

    loudness: (N,) 0..1; bands: (N, 8) 0..1; onset: (N,) 0..1. A clip without a clear change is
    one section of openness 0.5.
    """
    num_frames = len(loudness)
    if num_frames == 0:
        return ()
    traits = _traits(loudness, bands, onset, fps)
    borders = [0, *_borders(traits, loudness, fps), num_frames]
    fullness = loudness + 0.5 * smooth(onset, fps, 2.0) + 0.5 * bands[:, -3:].mean(axis=1)
    means = [float(fullness[a:b].mean()) for a, b in pairwise(borders)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    if high - low < 0.08:
        low, high = low - 0.5, high + 0.5
    return tuple(
        Section(a, b, (mean - low) / (high - low))
        for a, b, mean in zip(borders[:-1], borders[1:], means, strict=True)
    )


def openness_curve(sections: tuple[Section, ...], num_frames: int, fps: float) -> Curve:
    """Openness of every frame: opens within 0.4 s of a border, closes within 1.5 s, never early."""
    out = np.empty(num_frames, dtype=np.float32)
    level = sections[0].openness if sections else 0.5
    for section in sections:
        seconds = 0.4 if section.openness > level else 1.5
        keep = float(np.exp(-1 / (fps * seconds / 2)))
        steps = np.arange(1, section.end - section.start + 1)
        out[section.start : section.end] = section.openness + (level - section.openness) * (
            keep**steps
        )
        level = float(out[section.end - 1]) if section.end > section.start else level
    return out


def _traits(
    loudness: Curve, bands: NDArray[np.float32], onset: Curve, fps: float
) -> NDArray[np.float64]:
    """(N, 10): level, onset density and spectrum, smoothed over about a bar."""
    columns = [smooth(loudness, fps, 1.5) * 2.0, smooth(onset, fps, 2.0)]
    columns += [smooth(bands[:, k], fps, 1.5) for k in range(bands.shape[1])]
    return np.stack(columns, axis=1).astype(np.float64)


def _borders(traits: NDArray[np.float64], loudness: Curve, fps: float) -> list[int]:
    """Frames where the mean traits of the next seconds differ most from those of the last."""
    num_frames, window = len(traits), round(WINDOW_S * fps)
    step = max(1, round(STEP_S * fps))
    gap = round(MIN_SECTION_S * fps)
    centres = np.arange(gap, num_frames - gap, step)
    if len(centres) < 3:
        return []
    total = np.vstack([np.zeros(traits.shape[1]), np.cumsum(traits, axis=0)])
    after, before = np.minimum(centres + window, num_frames), np.maximum(centres - window, 0)
    ahead = (total[after] - total[centres]) / (after - centres)[:, None]
    behind = (total[centres] - total[before]) / (centres - before)[:, None]
    novelty = np.linalg.norm(ahead - behind, axis=1)
    threshold = max(0.22, float(novelty.mean() + NOVELTY * novelty.std()))
    chosen: list[int] = []
    for index in np.argsort(-novelty, kind="stable").tolist():
        frame = _snap(int(centres[index]), loudness, fps)
        if novelty[index] < threshold:
            break
        if all(abs(frame - other) >= gap for other in chosen) and gap <= frame <= num_frames - gap:
            chosen.append(frame)
    return sorted(chosen)


def _snap(frame: int, loudness: Curve, fps: float) -> int:
    """The frame within a second where the level jumps most: the border as it is heard."""
    reach = max(1, round(fps))
    start = max(1, frame - reach)
    nearby = np.abs(np.diff(loudness[start - 1 : frame + reach + 1].astype(np.float64)))
    return start + int(np.argmax(nearby)) if len(nearby) and nearby.max() > 0.1 else frame
