"""Whether brightness and colour wander off in the course of a video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from soundreel.proof.rules.verdict import Line
from soundreel.proof.senses.heard import Floats, Heard
from soundreel.proof.senses.seen import Seen

BRIGHT, COLOUR = 6.0, 6.0
"""CIE 1976 units from the first to the last: 2.3 is just seen side by side (Mahy, Van Eycken and
Oosterlinck, "Evaluation of Uniform Color Spaces", 1994), and a drift is seen over minutes."""

CLEAR = 3.0
"""Times what is left when the steady part is taken off: a video whose colours come and go has no
drift."""

BLOCKS, SHORTEST_S = 24, 4.0

SAME_SCENE = 0.85
"""Correlation of the composition, first quarter against last: a face that speaks keeps 0.9, a look
that flows 0.3 to 0.8. Where less is left another thing is seen, and its colours are its own."""


def lines(seen: Seen, heard: Heard | None) -> Iterator[Line]:
    times, lab = seen.times - seen.times[0], seen.lab
    if times[-1] < SHORTEST_S or len(times) < 2 * BLOCKS:
        yield Line("colour", "unknown", "too short for a drift of brightness or colour")
        return
    level = None if heard is None else _loudness(heard, seen.times - float(heard.start))
    parts = np.array_split(np.arange(len(times)), BLOCKS)
    middles = np.array([np.median(lab[part], axis=0) for part in parts])
    if level is not None:
        loud = np.array([np.mean(level[part]) for part in parts])
        middles = middles - _explained(middles, loud)
    where = np.linspace(-0.5, 0.5, BLOCKS)
    steady = np.array([_slope(where, column) for column in middles.T])
    rest = middles - where[:, None] * steady
    scatter = 1.4826 * np.median(np.abs(rest - np.median(rest, axis=0)), axis=0) + 0.3
    bright, colour = float(steady[0]), float(np.hypot(*steady[1:]))
    figures = {"brightness": bright, "colour": colour}
    same = _same_scene(seen)
    figures["same_scene"] = same
    same = _same_scene(seen)
    figures["same_scene"] = same
    wrong = []
    if abs(bright) >= BRIGHT and abs(bright) >= CLEAR * scatter[0]:
        wrong.append(f"{abs(bright):.0f} units {'brighter' if bright > 0 else 'darker'}")
    if colour >= COLOUR and colour >= CLEAR * float(np.hypot(*scatter[1:])):
        wrong.append(f"{colour:.0f} units of colour away")
    if wrong:
        said = f"the picture ends {' and '.join(wrong)}"
        if same >= SAME_SCENE:
            yield Line("colour", "fail", f"{said} from where it began", (), figures)
        else:
            yield Line("colour", "note", f"{said}, and shows another scene there", (), figures)
        return
    said = f"brightness {bright:+.1f}, colour {colour:.1f} units from beginning to end"
    yield Line("colour", "ok", said, (), figures)


def _same_scene(seen: Seen) -> float:
    """Correlation of the compositions of the first and the last quarter, picture by picture."""
    quarter = max(1, len(seen.details) // 4)
    pairs = zip(seen.details[:quarter], seen.details[-quarter:], strict=True)
    return float(np.median([_correlation(one, two) for one, two in pairs]))


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    return float(one @ two / max(float(np.sqrt((one @ one) * (two @ two))), 1e-9))


def _loudness(heard: Heard, times: Floats) -> Floats:
    return np.asarray(20 * np.log10(heard.level_at(times) + 1e-3))


def _explained(values: Floats, loud: Floats) -> Floats:
    """What of the values goes with the loudness, by changes from block to block, so that a drift
    is not taken for it."""
    moved, louder = np.diff(values, axis=0), np.diff(loud)
    power = float(louder @ louder)
    share = (louder @ moved) / power if power > 1e-6 else np.zeros(values.shape[1])
    return np.asarray((loud - loud.mean())[:, None] * share)


def _slope(where: Floats, values: Floats) -> float:
    """The median of the slopes of all pairs (Theil and Sen): a few odd blocks do not turn it."""
    one, two = np.triu_indices(len(where), 1)
    return float(np.median((values[two] - values[one]) / (where[two] - where[one])))
