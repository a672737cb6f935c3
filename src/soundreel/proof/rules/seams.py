"""Places where the picture jumps: a change that stands out from the changes around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from soundreel.proof.rules.reaction import Stretch, lag_at
from soundreel.proof.rules.verdict import Line, places_text
from soundreel.proof.senses.heard import Floats, Heard
from soundreel.proof.senses.seen import Seen

AROUND_S = 1.0
"""A change is measured against the usual one of so long to either side."""

BORDER, ANYWHERE = 3.0, 4.0
"""Times the usual change. Where a chunk is known to begin there are few places to look at, so less
is believed; anywhere else it must stand out from thousands."""

BEYOND = 1.6
"""And times the strongest changes of the video (one in a hundred, or the fifth), so that a look of
flashes and a film of many cuts are measured by their own kind."""

EXPLAINED_DB = 6.0
"""Where the sound grows louder by this much at the same moment, the picture may jump with it."""

SETTLES_S = 0.25
"""A look builds up from nothing as the sound sets in: no jump is told so near the beginning."""

BY_CHANCE = 0.1
"""So many borders of a whole video may be as strong as a seam by chance: an hour has 359 of them,
and beats fall on some."""

AT_ONCE = 4096
"""Pictures whose surroundings are sorted at a time: each one's are copied for it."""

LEAST = 1.0
"""Levels of change below which nothing is seen."""


def lines(
    seen: Seen,
    heard: Heard | None,
    stretches: Sequence[Stretch],
    borders: Sequence[int],
    shots: Sequence[int],
) -> Iterator[Line]:
    """stretches: how far the pictures are behind the sound. borders: pictures with which a chunk
    begins inside a shot; shots: those of meant cuts."""
    times = seen.times - (seen.times[0] if heard is None else float(heard.start))
    strength = jumps(seen)
    everywhere = np.ones(len(strength), bool)
    everywhere[: max(1, round(SETTLES_S / max(seen.step, 1e-3)))] = False
    everywhere[list(shots)] = False
    others = everywhere.copy()
    others[list(borders)] = False
    strongest = _strongest(seen.structure[everywhere])
    clear = (seen.structure >= LEAST) & everywhere
    if heard is not None:
        clear &= heard.rises(times - lag_at(stretches, times)) < EXPLAINED_DB
    if borders:
        usual = seen.structure[others]
        seldom = max(strongest, float(np.quantile(usual, 1 - BY_CHANCE / len(borders))))
        at = [k for k in borders if clear[k] and strength[k] >= BORDER
              and seen.structure[k] >= seldom]  # fmt: skip
        yield _said("seams", at, times, strength, f"{len(borders)} borders of chunks")
    found = np.flatnonzero(
        clear & (strength >= ANYWHERE) & (seen.structure >= BEYOND * strongest)
    ).tolist()
    yield _said("jumps", found, times, strength, f"{len(times)} pictures")


def jumps(seen: Seen) -> Floats:
    """Change of structure of each picture against the usual one around it."""
    structure, step = seen.structure, max(seen.step, 1e-3)
    reach = max(3, round(AROUND_S / step))
    padded = np.pad(structure, reach, mode="reflect" if len(structure) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    usual = [
        np.median(windows[begin : begin + AT_ONCE], axis=1)
        for begin in range(0, len(windows), AT_ONCE)
    ]
    return structure / np.maximum(np.concatenate(usual), 0.25)


def _strongest(structure: Floats) -> float:
    if not structure.size:
        return 0.0
    return float(np.quantile(structure, min(0.99, 1 - 5 / (len(structure) + 5))))


def _said(name: str, found: list[int], times: Floats, strength: Floats, of: str) -> Line:
    if not found:
        return Line(name, "ok", f"none in {of}")
    places = tuple(float(times[k]) for k in found)
    most = float(strength[found].max())
    return Line(name, "fail", f"the picture jumps {places_text(places)}, {most:.0f} times the "
                "usual change", places, {"places": float(len(found)), "times": most})  # fmt: skip
