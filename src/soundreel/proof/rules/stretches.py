"""Stretches of a video in which nothing happens: frozen, black, or shown before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from soundreel.proof.rules.verdict import Line, places_text
from soundreel.proof.senses.heard import Floats, Heard
from soundreel.proof.senses.seen import Seen

LEAST_S = 0.5
"""A shorter stretch is a rest, not a fault."""

STILL, STILL_SHARE = 0.25, 0.1
"""Mean change in levels, and as a share of the usual change, the smaller counts: below it a picture
is the one before. A frozen picture changes by 0 to 0.1 in H.264, and more only on a key frame."""

MOVES = 0.05
"""Where the usual change is below this the video shows one picture throughout, by design."""

BLACK = 24
"""The brightest pixel of a black picture: black is 0, and compression leaves a few levels."""

SAME, LEAST_REPEAT_S, LIVELY = 1, 1.0, 4.0
"""Levels by which the cells of a repeated picture differ at most; how long a stretch is a repeat;
how far its pictures must move for that to say anything."""

SAME_SOUND_DB = 3.0
"""Where the sound's level repeats as well, the picture may."""

CADENCE = 0.02
"""Where more pictures than this repeat the one before it is a conversion of the rate."""

_ANCHOR_S = 0.5


def lines(seen: Seen, heard: Heard | None) -> Iterator[Line]:
    times = seen.times - seen.times[0] if heard is None else seen.times - float(heard.start)
    yield frozen(seen, times, heard)
    yield doubled(seen, times)
    yield black(seen, times, heard)
    yield repeated(seen, times, heard)


def usual_change(seen: Seen) -> float:
    change = seen.change[1:]
    return float(np.median(change)) if change.size else 0.0


def _still(seen: Seen) -> NDArray[np.bool_]:
    """Pictures that are the one before."""
    limit = min(STILL, STILL_SHARE * usual_change(seen))
    still = seen.change <= limit
    still[:1] = False
    return still


def frozen(seen: Seen, times: Floats, heard: Heard | None) -> Line:
    if usual_change(seen) < MOVES:
        return Line("frozen", "note", "hardly anything moves in this video")
    still = _still(seen)
    inner = still[2:] & still[:-2]
    still[1:-1] |= inner  # a key frame within a still stretch
    found = _sounding(_runs(still, times, LEAST_S), times, heard)
    return _said("frozen", "the picture stands still while the sound goes on", found, times)


def doubled(seen: Seen, times: Floats) -> Line:
    """Single pictures that repeat the one before, while all around them move."""
    still, change = _still(seen), seen.change
    around = np.minimum(np.roll(change, 1), np.roll(change, -1))
    alone = still & ~np.roll(still, 1) & ~np.roll(still, -1)
    alone &= around >= 0.5 * usual_change(seen)
    alone[:2] = alone[-1:] = False
    if usual_change(seen) < MOVES or not alone.any():
        return Line("doubled", "ok", "no picture is the one before it again")
    places = tuple(times[alone].tolist())
    figures = {"pictures": float(len(places))}
    if len(places) > CADENCE * len(times):
        return Line("doubled", "note", f"every {len(times) / len(places):.0f}th picture or so is "
                    "the one before it again, as after a conversion of the rate",
                    (), figures)  # fmt: skip
    return Line("doubled", "fail", f"{len(places)} picture(s) shown twice "
                f"{places_text(places)}", places, figures)  # fmt: skip


def black(seen: Seen, times: Floats, heard: Heard | None) -> Line:
    dark = seen.brightest <= BLACK
    if dark.all():
        return Line("black", "fail", "the whole video is black", (0.0,))
    found = _sounding(_runs(dark, times, LEAST_S), times, heard)
    return _said("black", "black while the sound goes on", found, times)


def repeated(seen: Seen, times: Floats, heard: Heard | None) -> Line:
    """A stretch that was there before while the sound is another one."""
    cells = seen.cells.astype(np.float32)
    count, step = len(cells), max(seen.step, 1e-3)
    length = max(4, round(LEAST_REPEAT_S / step))
    found: list[tuple[int, int]] = []
    done = 0
    for anchor in range(length, count - length, max(1, round(_ANCHOR_S / step))):
        if anchor < done or np.ptp(cells[anchor : anchor + length], axis=0).max() < LIVELY:
            continue
        source = _earlier(cells, anchor, length)
        if source is None or _same_sound(heard, times, anchor, source, length):
            continue
        begin, end = _extended(cells, anchor, source, length)
        found.append((begin, end))
        done = end
    return _said("repeated", "pictures shown before come again with other sound", found, times)


def _earlier(cells: NDArray[np.float32], anchor: int, length: int) -> int | None:
    """An earlier picture from which on `length` pictures are the same, one by one."""
    near = np.abs(cells[: anchor - length + 1] - cells[anchor]).max(axis=1) <= SAME
    for source in np.flatnonzero(near)[::-1].tolist():
        gap = np.abs(cells[source : source + length] - cells[anchor : anchor + length])
        if gap.max() <= SAME:
            return int(source)
    return None


def _extended(cells: NDArray[np.float32], anchor: int, source: int, length: int) -> tuple[int, int]:
    begin, end, by = anchor, anchor + length, anchor - source
    while begin > by and np.abs(cells[begin - 1] - cells[begin - 1 - by]).max() <= SAME:
        begin -= 1
    while end < len(cells) and np.abs(cells[end] - cells[end - by]).max() <= SAME:
        end += 1
    return begin, end


def _same_sound(heard: Heard | None, times: Floats, anchor: int, source: int, length: int) -> bool:
    if heard is None:
        return False
    from_now, from_then = (
        heard.level_at(times[place : place + length]) for place in (anchor, source)
    )
    quiet = max(from_now.max(), from_then.max()) < 0.003
    apart = np.abs(20 * np.log10((from_now + 1e-4) / (from_then + 1e-4)))
    return bool(quiet or np.mean(apart) < SAME_SOUND_DB)


def _runs(flags: NDArray[np.bool_], times: Floats, least: float) -> list[tuple[int, int]]:
    """(first, end) of the stretches of True that last at least so many seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]]).astype(np.int8)))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(a, b) for a, b in pairs if times[b - 1] - times[a] + step >= least]


def _sounding(
    runs: list[tuple[int, int]], times: Floats, heard: Heard | None
) -> list[tuple[int, int]]:
    if heard is None:
        return runs
    return [(a, b) for a, b in runs if not heard.silent(float(times[a]), float(times[b - 1]))]


def _said(name: str, what: str, found: list[tuple[int, int]], times: Floats) -> Line:
    if not found:
        return Line(name, "ok", "no stretch of pictures")
    places = tuple(float(times[begin]) for begin, _ in found)
    longest = max(float(times[end - 1] - times[begin]) for begin, end in found)
    figures = {"stretches": float(len(found)), "longest_s": longest}
    return Line(name, "fail", f"{what}, {longest:.1f} s, {places_text(places)}", places, figures)
