"""Sections of a piece of music: where timbre and harmony change, and which sections are alike.

Novelty is what a checkerboard kernel finds on the diagonal of a self-similarity matrix (J. Foote,
"Automatic Audio Segmentation Using a Measure of Audio Novelty", 2000), here over bars.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.structure.listen import Curve

REACHES = (4, 8)
"""Bars to either side of a border that are compared with each other: chords come back after
four bars or eight, so that a change of chord is not one of section."""

FEWEST_BARS = 3
"""A shorter stretch is a phrase, not a section."""

LEAST_NOVELTY = 0.18
"""Of the whole piece's mean difference between two bars; a border differs by more."""

TIMBRE, HARMONY, DRUMS = 0.4, 0.3, 0.3
"""Shares of what tells two bars apart."""

ALIKE = 0.12
"""Two sections whose means differ by less (of the bars' mean difference) are the same one again."""


def bar_traits(timbre: Curve, chroma: Curve, drums: Curve) -> Curve:
    """(bars, n): what a bar sounds like, so that the mean squared distance of two bars is 1.

    timbre: (bars, bands) bels; chroma: (bars, 12); drums: (bars, steps) what begins where in a bar.
    """
    shares = ((timbre, TIMBRE), (chroma, HARMONY), (drums, DRUMS))
    return np.concatenate([_scaled(rows) * share**0.5 for rows, share in shares], axis=1)


def find_borders(traits: Curve) -> list[int]:
    """Bars at which a section begins, 0 left out."""
    if len(traits) < 2 * FEWEST_BARS:
        return []
    novelty = _novelty(traits)
    chosen: list[int] = []
    for bar in np.argsort(-novelty, kind="stable").tolist():
        if novelty[bar] < LEAST_NOVELTY:
            break
        near = [*chosen, 0, len(traits)]
        if _stands_out(novelty, bar) and all(abs(bar - other) >= FEWEST_BARS for other in near):
            chosen.append(bar)
    return sorted(chosen)


def _stands_out(novelty: Curve, bar: int) -> bool:
    """A peak that falls to half its height on both sides before a higher one comes."""
    for side in (novelty[bar::-1], novelty[bar:]):
        near = side[: max(REACHES)]
        lower = np.flatnonzero(near <= novelty[bar] / 2)
        if near[: lower[0] if len(lower) else None].max() > novelty[bar]:
            return False
    return True


def name_sections(traits: Curve, borders: list[int]) -> list[str]:
    """A letter for each section, in the order of appearance; sections that sound alike share it."""
    means = [traits[a:b].mean(axis=0) for a, b in pairwise([0, *borders, len(traits)])]
    kinds: list[NDArray[np.float64]] = []
    names = []
    for mean in means:
        distances = [float(((mean - kind) ** 2).sum()) for kind in kinds]
        if not distances or min(distances) > ALIKE:
            kinds.append(mean)
            distances.append(0.0)
        names.append(_letter(int(np.argmin(distances))))
    return names


def _letter(number: int) -> str:
    """A, B, …, Z, A2, B2, …"""
    return chr(ord("A") + number % 26) + (str(number // 26 + 1) if number >= 26 else "")


def _novelty(traits: Curve) -> Curve:
    """(bars,) squared distance of the means before and after each bar, over two reaches."""
    bars = len(traits)
    total = np.vstack([np.zeros(traits.shape[1]), np.cumsum(traits, axis=0)])
    at = np.arange(1, bars)
    out = np.zeros(bars)
    for reach in REACHES:
        begin, end = np.maximum(at - reach, 0), np.minimum(at + reach, bars)
        before = (total[at] - total[begin]) / (at - begin)[:, None]
        after = (total[end] - total[at]) / (end - at)[:, None]
        out[1:] += ((after - before) ** 2).sum(axis=1) / len(REACHES)
    return out


def _scaled(rows: Curve) -> Curve:
    """Around the median, a bar far off (silence at the end) held at three times the usual."""
    around = rows - np.median(rows, axis=0)
    usual = max(float(np.median(np.linalg.norm(around, axis=1))), 1e-9)
    far = np.linalg.norm(around, axis=1, keepdims=True)
    held = around * np.minimum(1, 3 * usual / np.maximum(far, 1e-9))
    spread = 2 * held.var(axis=0).sum()
    return np.asarray(held / max(spread, 1e-9) ** 0.5)
