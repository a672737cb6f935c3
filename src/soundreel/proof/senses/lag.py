"""By how much a picture follows its sound: two sets of signals, one time shift.

Every signal is reduced to what could not be foretold from its own past (the innovations of an
autoregressive model: Box and Jenkins, "Time Series Analysis", ch. 11, prewhitening), so that slow
fades and ringing do not shift the answer. For each shift the correlations of all picture signals
with all sound signals form a matrix; its largest singular value says how much of the one set
follows the other in any mixture.

The matrices are kept for short windows. Summed along a slanted line they find a lag that grows;
summed along two level ones, a jump.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEMORY = 3
"""Order of the model: a look's own decay needs one or two."""

CLIP = 4.0
"""Innovations beyond so many usual ones (a cut, a click) count no more than this."""

REACH_S = 1.0
"""Shifts up to this are looked for."""

WINDOW_S, FEWEST_WINDOWS = 3.0, 6
"""A drift of 1 % moves 30 ms within a window, less than one picture at 30 a second."""

STEEPEST, SLOPE_STEP = 0.02, 0.0005
"""Drifts up to 2 % are looked for: 25 for 24 pictures a second is 4 % and shows in the length."""

FAR_S = 0.12
"""Shifts farther than this from the best one say how strong chance is."""

NEARER = 0.92
"""Sound that repeats itself has several good shifts: of those almost as good the nearest to the
expected one is taken."""

BETTER_LINE, BETTER_JUMP, BETTER_LEAP = 1.05, 1.06, 1.3
"""A slant or a jump must explain so much more than a level line; a leap farther than `LEAP_S` is
mostly from beat to beat of the same music, and must explain more."""

BETTER_THAN_LINE = 1.03
"""And a jump so much more than a slant: dropped pictures give 1.04 and more, drifts up to 1.027."""

CHANCE_LINE, CHANCE_JUMP = 6.0, 9.0
"""In the units of `Lag.certainty`: 4 s gain up to 4.1 by a slant and 7.3 by a jump where
there is none; 1 % of drift or a lost picture in 10 s gain 20 and more."""

LEAP_S = 0.15

RIVAL = 0.75
"""Other shifts that fit nearly as well as the best one are told with it: sound that repeats itself
exactly gives 0.92 and more a beat away, music 0.6 to 0.94, speech 0.2 to 0.7."""


@dataclass(frozen=True, slots=True)
class Lag:
    """seconds: by which the picture follows the sound, at the middle of the stretch; negative where
    it comes first. slope: seconds a second. jump: where the lag changes at once, and by how many
    seconds. ratio: of the best shift to the usual one. certainty: how far it stands above chance.
    strength: correlation, 0..1, of the best mixtures. one_moment: share of it that lies in a single
    window. rivals: (seconds, height, 1 is the best one's) of other shifts that fit too."""

    seconds: float
    slope: float
    jump: tuple[float, float] | None
    ratio: float
    certainty: float
    strength: float
    one_moment: float = 0.0
    rivals: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """times: (N,) seconds. pictures: (N, K) signals. sound: the (N, J) signals of the sound in each
    picture's time, so many seconds (N,) before it."""

    times: Floats
    pictures: Floats
    sound: Callable[[Floats], Floats]

    @property
    def step(self) -> float:
        """Seconds from picture to picture."""
        return float(np.median(np.diff(self.times)))


def measure(pair: Pair, expected: float = 0.0) -> Lag:
    """The lag of a stretch, with its slope or its jump. expected: where it is looked for first."""
    follower = whiten(pair.pictures)
    shifts = expected + np.arange(-REACH_S, REACH_S + 1e-9, max(pair.step / 4, 0.005))
    windows, middles = _windows(pair.times)
    products = _products(pair, follower, shifts, windows)
    left, right = _mixture(products, shifts, middles)
    curves: Floats = np.einsum("k,swkj,j->sw", left, products, right)

    slopes = np.arange(-round(STEEPEST / SLOPE_STEP), round(STEEPEST / SLOPE_STEP) + 1) * SLOPE_STEP
    level = curves.sum(axis=1)
    slanted = np.stack([_summed(curves, shifts, middles, slope) for slope in slopes], axis=1)
    slope = float(slopes[int(slanted.max(axis=0).argmax())])
    chance = float(np.sqrt(len(pair.times)))
    if slanted.max() < max(BETTER_LINE * level.max(), level.max() + CHANCE_LINE * chance):
        slope = 0.0
    line = _summed(curves, shifts, middles, slope)
    best = _nearest_good(line, shifts, expected)
    jump = _jump(pair, follower @ left, right, curves, shifts, (level.max(), line[best]))
    heights = np.linalg.norm(_summed(products, shifts, middles, slope), ord=2, axis=(1, 2))
    usual = float(np.median(heights[_far(shifts, best)]))
    lags = shifts[best] + slope * (pair.times - pair.times.mean())
    if jump is not None:
        lags = jump[0] + jump[2] * (pair.times >= jump[1])
    heard = whiten(pair.sound(lags)) @ right
    return Lag(
        _summit(line, shifts, best) if jump is None else jump[0],
        slope if jump is None else 0.0,
        None if jump is None else jump[1:],
        float(line[best]) / max(usual, 1e-9),
        float(line[best]) / chance,
        _correlation(follower @ left, heard),
        _largest_share(np.add.reduceat((follower @ left) * heard, windows)),
        _rivals(heights, shifts, best),
    )


def whiten(signals: Floats) -> Floats:
    """(N, K): the innovations of each column, mean 0 and deviation 1; 0 where nothing moves."""
    return np.stack([_innovations(column) for column in signals.T], axis=1)


def _innovations(signal: Floats) -> Floats:
    count = len(signal)
    found = np.zeros(count)
    if count <= 2 * MEMORY:
        return found
    centred = signal - signal.mean()
    past = np.stack([centred[MEMORY - 1 - k : count - 1 - k] for k in range(MEMORY)], axis=1)
    gram = past.T @ past + 1e-6 * np.eye(MEMORY) * (centred @ centred + 1e-9)
    rest = centred[MEMORY:] - past @ np.linalg.solve(gram, past.T @ centred[MEMORY:])
    usual = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    usual = max(usual, 0.2 * float(rest.std()), 1e-9)
    found[MEMORY:] = np.clip(rest / usual, -CLIP, CLIP)
    found -= found.mean()
    deviation = float(found.std())
    return found / deviation if deviation > 1e-6 else np.zeros(count)


def _windows(times: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The first picture of each window, and the windows' middles in seconds."""
    count = max(FEWEST_WINDOWS, round((times[-1] - times[0]) / WINDOW_S))
    edges = np.linspace(0, len(times), count + 1).astype(np.int64)
    middles = (times[edges[:-1]] + times[edges[1:] - 1]) / 2
    return edges[:-1], middles


def _products(pair: Pair, follower: Floats, shifts: Floats, windows: NDArray[np.int64]) -> Floats:
    """(shifts, windows, K, J): sums of products of the innovations."""
    found = []
    for shift in shifts:
        heard = whiten(pair.sound(np.full(len(pair.times), shift)))
        each = follower[:, :, None] * heard[:, None, :]
        found.append(np.add.reduceat(each, windows, axis=0))
    return np.array(found)


def _mixture(products: Floats, shifts: Floats, middles: Floats) -> tuple[Floats, Floats]:
    """The weights of the pictures' and the sound's signals that go together best."""
    best: tuple[float, Floats] | None = None
    for slope in np.linspace(-STEEPEST, STEEPEST, 17):
        summed = _summed(products, shifts, middles, float(slope))
        heights = np.linalg.norm(summed, ord=2, axis=(1, 2))
        at = int(heights.argmax())
        if best is None or heights[at] > best[0]:
            best = (float(heights[at]), summed[at])
    assert best is not None
    left, _, right = np.linalg.svd(best[1], full_matrices=False)
    return left[:, 0], right[0]


def _summed(products: Floats, shifts: Floats, middles: Floats, slope: float) -> Floats:
    """(shifts, ...): the windows' sum along a line through each shift at the middle."""
    moved = np.round(slope * (middles - middles.mean()) / (shifts[1] - shifts[0])).astype(int)
    summed = np.zeros_like(products[:, 0])
    for window, by in enumerate(moved):
        summed += np.roll(products[:, window], -by, axis=0)
    return summed


def _far(shifts: Floats, best: int) -> NDArray[np.bool_]:
    """The shifts that have nothing to do with the best one."""
    return np.asarray(np.abs(shifts - shifts[best]) > FAR_S)


def _largest_share(parts: Floats) -> float:
    """Of the sum, in the largest of its parts: 1 where one moment is all there is."""
    whole = float(parts.sum())
    return float(parts.max()) / whole if whole > 0 else 1.0


def _rivals(heights: Floats, shifts: Floats, best: int) -> tuple[tuple[float, float], ...]:
    """The other peaks that are nearly as high, the highest first."""
    peaks = _peaks(heights)
    shares = heights[peaks] / max(float(heights[best]), 1e-9)
    good = _far(shifts, best)[peaks] & (shares >= RIVAL)
    found = zip(shifts[peaks[good]].tolist(), shares[good].tolist(), strict=True)
    return tuple(sorted(found, key=lambda each: -each[1]))


def _peaks(curve: Floats) -> NDArray[np.intp]:
    inner = curve[1:-1]
    return np.flatnonzero((inner >= curve[:-2]) & (inner >= curve[2:])) + 1


def _nearest_good(curve: Floats, shifts: Floats, expected: float) -> int:
    """The peak nearest to the expected shift among those almost as high as the highest."""
    peaks = _peaks(curve)
    good = peaks[curve[peaks] >= NEARER * curve.max()]
    if not good.size:
        return int(curve.argmax())
    return int(good[np.abs(shifts[good] - expected).argmin()])


def _summit(curve: Floats, shifts: Floats, at: int) -> float:
    """The top of the parabola through a peak and its neighbours."""
    if not 0 < at < len(curve) - 1:
        return float(shifts[at])
    before, peak, after = curve[at - 1 : at + 2]
    bend = before - 2 * peak + after
    part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(shifts[at] + part * (shifts[1] - shifts[0]))


def _jump(
    pair: Pair,
    follower: Floats,
    right: Floats,
    curves: Floats,
    shifts: Floats,
    heights: tuple[float, float],
) -> tuple[float, float, float] | None:
    """(lag before, second, change) where two level lines explain clearly more than one, and more
    than a slanted one: `heights`."""
    before = curves.cumsum(axis=1)
    after = before[:, -1:] - before
    chance = CHANCE_JUMP * float(np.sqrt(len(pair.times)))
    reach = round(LEAP_S / (shifts[1] - shifts[0]))
    for farthest, better in ((reach, BETTER_JUMP), (len(shifts), BETTER_LEAP)):
        gained, split, one, two = _best_pair(before[:, :-1], after[:, :-1], farthest)
        change = float(shifts[two] - shifts[one])
        enough = max(better * heights[0], BETTER_THAN_LINE * heights[1], heights[0] + chance)
        if gained >= enough and abs(change) >= 0.6 * pair.step:
            break
    else:
        return None
    everywhere = np.ones(len(pair.times))
    early, late = (
        follower * (whiten(pair.sound(shifts[k] * everywhere)) @ right) for k in (one, two)
    )
    place = int(np.cumsum(early - late).argmax())
    second = float(pair.times[min(place + 1, len(pair.times) - 1)])
    return _summit(before[:, split], shifts, one), second, change


def _best_pair(before: Floats, after: Floats, farthest: int) -> tuple[float, int, int, int]:
    """(height, split, shift before it, shift after it), the two at most `farthest` steps apart."""
    padded = np.pad(after, ((farthest, farthest), (0, 0)), constant_values=-np.inf)
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * farthest + 1, axis=0)
    sums = before + near.max(axis=2)
    one, split = np.unravel_index(int(sums.argmax()), sums.shape)
    two = int(one) - farthest + int(near[one, split].argmax())
    return float(sums.max()), int(split), int(one), two


def _correlation(one: Floats, two: Floats) -> float:
    if not one.any() or not two.any():
        return 0.0
    return float(abs(np.corrcoef(one, two)[0, 1]))
