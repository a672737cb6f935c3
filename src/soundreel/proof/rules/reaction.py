"""Whether the picture follows its sound, and at what distance: over all, minute by minute, and the
mouth by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from soundreel.events import RunControl
from soundreel.proof.rules.verdict import Line, clock_text, milliseconds
from soundreel.proof.senses.heard import Bands, Floats, Heard
from soundreel.proof.senses.lag import Lag, Pair, measure
from soundreel.proof.senses.seen import Part

RATIO, CERTAINTY, MOUTH_CERTAINTY = 3.3, 40.0, 15.0
"""From here on it is a reaction. Pictures of one sound beside another one reach 3.1 and 39."""

ONE_MOMENT = 0.5
"""A reaction of which more lies within 3 s says nothing: where a steady tone sets in the picture
begins too, at its own pace. Tones give 0.5 to 1, music and speech at most 0.35."""

AS_WELL = 5.0
"""In the units of `Lag.certainty`: another shift that stands no more below the best one fits as
well, since the sound repeats itself. On a tone that is switched on and off twice a second a wrong
shift was up to 3.9 above the true one; what a song repeats after a bar is 5.6 and more below it."""

LATE, LATE_S = 0.95, 0.032
"""In pictures and in seconds, the greater counts: a look that shows a window of sound is up to a
picture late by its nature."""

EARLY, EARLY_S = 0.75, 0.025
"""A picture cannot know a sound before it is heard: less is allowed."""

FEWEST = 48
"""Pictures of the shortest stretch that is measured."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was measured of one part: seconds of the sound's own time, its lag, and the mouth's;
    None where there is no clear reaction."""

    begin: float
    end: float
    lag: Lag | None
    mouth: Lag | None
    has_mouth: bool
    strength: float


def follow(part: Part, heard: Heard, expected: float, control: RunControl) -> Stretch:
    """Measure one part. expected: the lag at the end of the one before."""
    times = part.times - float(heard.start)
    begin, end = float(times[0]), float(times[-1])
    if len(times) < FEWEST:
        return Stretch(begin, end, None, None, part.mouth is not None, 0.0)
    step = float(np.median(np.diff(times)))
    bands = Bands(heard.clip, begin, end, control)

    def sound(lags: Floats) -> Floats:
        return bands.decibels(times - lags, step)

    lag = measure(Pair(times, part.signals, sound), expected)
    mouth = None
    if part.mouth is not None:
        mouth = _clear(measure(Pair(times, part.mouth, sound), expected), MOUTH_CERTAINTY)
    has_mouth = part.mouth is not None
    return Stretch(begin, end, _clear(lag, CERTAINTY), mouth, has_mouth, lag.strength)


def _clear(lag: Lag, certainty: float) -> Lag | None:
    """The lag, if it is a reaction."""
    sure = lag.ratio >= RATIO and lag.certainty >= certainty and lag.one_moment <= ONE_MOMENT
    return lag if sure else None


def lag_at_end(stretch: Stretch) -> float | None:
    """Where the next part's lag is looked for."""
    lag = stretch.lag
    if lag is None:
        return None
    half = (stretch.end - stretch.begin) / 2
    return lag.seconds + lag.slope * half + (lag.jump[1] if lag.jump else 0.0)


def lag_at(stretches: Sequence[Stretch], times: Floats) -> Floats:
    """The lag at each of these seconds of the sound's own time; 0 where it cannot be told."""
    lags = np.zeros(len(times))
    for stretch in stretches:
        lag = stretch.lag
        if lag is not None:
            here = (times >= stretch.begin) & (times <= stretch.end)
            middle = (stretch.begin + stretch.end) / 2
            lags[here] = lag.seconds + lag.slope * (times[here] - middle)
            if lag.jump is not None:
                lags[here & (times >= lag.jump[0])] += lag.jump[1]
    return lags


def lines(stretches: Sequence[Stretch], step: float) -> Iterator[Line]:
    clear = [stretch for stretch in stretches if stretch.lag is not None]
    if not clear:
        said = "no clear reaction of the picture to the sound: its lag cannot be told"
        yield Line("lag", "unknown", said, (), {"reacting_parts": 0.0})
    elif (doubt := _doubt([s.lag for s in clear if s.lag is not None], step)) is not None:
        yield _repeats(doubt, clear, len(stretches))
    else:
        drift = _drift(clear, step)
        yield _lag(clear, len(stretches), step, drifts=drift.word == "fail")
        yield drift
    if any(stretch.has_mouth for stretch in stretches):
        yield _mouth(stretches, step)


def limits(step: float) -> tuple[float, float]:
    """The earliest and the latest lag that is right, in seconds."""
    return -max(EARLY * step, EARLY_S), max(LATE * step, LATE_S)


def _doubt(lags: Sequence[Lag], step: float) -> tuple[float, float] | None:
    """(lag, another one that may as well be true), where most stretches leave it open."""
    early, late = limits(step)

    def open_to(lag: Lag) -> float | None:
        wrong = not early <= lag.seconds <= late
        for shift, height in lag.rivals:
            as_well = (1 - height) * lag.certainty < AS_WELL
            if as_well or (wrong and early <= shift <= late):
                return shift
        return None

    found = [(lag.seconds, other) for lag in lags if (other := open_to(lag)) is not None]
    return found[0] if 2 * len(found) > len(lags) else None


def _repeats(doubt: tuple[float, float], clear: Sequence[Stretch], parts: int) -> Line:
    one, other = map(milliseconds, doubt)
    figures = {"reacting_parts": float(len(clear)), "parts": float(parts)}
    return Line("lag", "unknown", f"the sound repeats itself: the picture fits it at {other} as "
                f"well as at {one}, so its lag cannot be told", (), figures)  # fmt: skip


def _lag(clear: Sequence[Stretch], parts: int, step: float, *, drifts: bool) -> Line:
    """drifts: then no single lag is wrong, and the drift is what fails."""
    lags = [stretch.lag for stretch in clear if stretch.lag is not None]
    overall = float(np.median([lag.seconds for lag in lags]))
    strength = float(np.median([stretch.strength for stretch in clear]))
    figures = {
        "lag_s": overall, "strength": strength, "frames": overall / step,
        "reacting_parts": float(len(clear)), "parts": float(parts),
    }  # fmt: skip
    said = f"the picture follows the sound by {milliseconds(overall)} (strength {strength:.2f})"
    early, late = limits(step)
    if early <= overall <= late:
        return Line("lag", "ok", said, (), figures)
    if drifts:
        return Line("lag", "note", said, (), figures)
    way = "early" if overall < 0 else "late"
    return Line("lag", "fail", f"the picture is {abs(overall) * 1000:.0f} ms too {way} "
                f"({abs(overall) / step:.1f} pictures; strength {strength:.2f})",
                (0.0,), figures)  # fmt: skip


def _drift(clear: Sequence[Stretch], step: float) -> Line:
    jumps = [
        (stretch.lag.jump[0], stretch.lag.jump[1])
        for stretch in clear
        if stretch.lag is not None and stretch.lag.jump is not None
    ]
    starts, ends = _ends(clear)
    change = ends[-1] - starts[0]
    figures = {"change_s": change, "per_minute_s": 0.0}
    least = -limits(step)[0]
    if jumps:
        second, by = jumps[0]
        count = abs(by) / step
        what = "lost" if by < 0 else "added"
        more = f", and {len(jumps) - 1} more" if len(jumps) > 1 else ""
        figures |= {"jump_s": by}
        return Line("drift", "fail", f"at {clock_text(second)} the picture jumps by "
                    f"{milliseconds(by)} against the sound: about {count:.0f} picture(s) {what}"
                    f"{more}", tuple(place for place, _ in jumps), figures)  # fmt: skip
    length = max(clear[-1].end - clear[0].begin, 1e-9)
    figures |= {"per_minute_s": change / length * 60}
    if abs(change) <= least:
        return Line("drift", "ok", f"{milliseconds(change)} from beginning to end", (), figures)
    way = "behind" if change > 0 else "ahead"
    return Line("drift", "fail", f"the picture drifts {way}: {milliseconds(change)} in "
                f"{length:.1f} s ({abs(change) / length * 100:.2f} %)", (), figures)  # fmt: skip


def _ends(clear: Sequence[Stretch]) -> tuple[list[float], list[float]]:
    """Each stretch's lag at its beginning and at its end."""
    starts, ends = [], []
    for stretch in clear:
        lag = stretch.lag
        assert lag is not None
        half = lag.slope * (stretch.end - stretch.begin) / 2
        starts.append(lag.seconds - half)
        ends.append(lag.seconds + half + (lag.jump[1] if lag.jump else 0.0))
    return starts, ends


def _mouth(stretches: Sequence[Stretch], step: float) -> Line:
    lags = [stretch.mouth for stretch in stretches if stretch.mouth is not None]
    faces = sum(stretch.has_mouth for stretch in stretches)
    if not lags:
        return Line("mouth", "unknown", "a face, whose mouth does not clearly follow the sound",
                    (), {"faces": float(faces)})  # fmt: skip
    overall = float(np.median([lag.seconds for lag in lags]))
    strength = float(np.median([lag.strength for lag in lags]))
    figures = {"lag_s": overall, "strength": strength, "frames": overall / step}
    early, late = limits(step)
    if early <= overall <= late:
        return Line("mouth", "ok", f"the mouth follows the voice by {milliseconds(overall)} "
                    f"(strength {strength:.2f})", (), figures)  # fmt: skip
    way = "early" if overall < 0 else "late"
    return Line("mouth", "fail", f"the mouth is {abs(overall) * 1000:.0f} ms too {way}",
                (0.0,), figures)  # fmt: skip
