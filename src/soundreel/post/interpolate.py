"""Pictures at another rate, streamed, holding one picture."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from soundreel.errors import EngineUnavailable, mention
from soundreel.installation import install_command
from soundreel.post.flow import between
from soundreel.post.lossless import packed, unpacked
from soundreel.timeline.rates import outputs_after, outputs_at, outputs_up_to
from soundreel.types import Frame, Interpolation, Rgb
from soundreel.work.job import Fixed

Between = Callable[[Rgb, Rgb, Sequence[Fraction]], list[Rgb]]
"""(first, second, times): a picture for each time between the two, 0 to 1."""

FLOW, FILM, RIFE = "flow", "film", "rife"
NETWORKS = frozenset({FILM, RIFE})
"""They need torch and a file of weights."""
LOCAL_METHODS = frozenset({FLOW, *NETWORKS})
"""What `Request.interpolate` may name without the engine's help."""

_INDEX = struct.Struct(">Q")


class Interpolator:
    """Gives the pictures of a file with `factor` times as many a second as are pushed.

    Picture j stands at the time of generated picture j / factor: it is that one, or is made of the
    two around it. `push` a shot's pictures in order, then `finish`; the next shot begins. A whole
    factor m makes exactly N * m of N. end: the number of the file's pictures, which may end before
    the last generated one does. Between chunks, `snapshot` is what `restore` needs to go on as if
    nothing had happened: the last picture, lossless, and its number.
    """

    def __init__(self, factor: Fraction, end: int, between: Between = between) -> None:
        self._factor = factor
        self._end = end
        self._between = between
        self._last: Frame | None = None

    def push(self, rgb: Rgb, index: int) -> list[Rgb]:
        """The pictures that can be shown now that picture `index` is known."""
        last, self._last = self._last, Frame(index, rgb)
        if last is None:
            return [rgb] * len(outputs_at(index, self._factor))
        return self._towards(last, rgb, outputs_up_to(index, self._factor))

    def finish(self, following: Rgb | None) -> list[Rgb]:
        """The pictures after the shot's last one: on the way to `following`, a picture that is not
        shown itself, or else the last one repeated."""
        last, self._last = self._last, None
        if last is None:
            return []
        outputs = outputs_after(last.index, self._factor, self._end)
        if following is None:
            return [last.rgb] * len(outputs)
        return self._towards(last, following, outputs)

    def snapshot(self) -> bytes:
        """The last picture, lossless, after its number; empty before the first one of a shot."""
        if self._last is None:
            return b""
        return _INDEX.pack(self._last.index) + packed(self._last.rgb)

    def restore(self, state: bytes) -> None:
        """Take up a snapshot. Raises WorkError if it is none."""
        self._last = _frame(state) if state else None

    def _towards(self, last: Frame, rgb: Rgb, outputs: range) -> list[Rgb]:
        """Pictures of the file after `last`, up to and with `rgb`, the one after it."""
        times = [j / self._factor - last.index for j in outputs]
        inside = [time for time in times if time < 1]
        return self._between(last.rgb, rgb, inside) + [rgb] * (len(times) - len(inside))


def require_packages(method: str) -> None:
    """Raises EngineUnavailable naming what a network needs and is not installed."""
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise EngineUnavailable(
            f"{mention(interpolate=method)} needs {' and '.join(missing)}, not installed here",
            hint=f"{install_command('wan')}; or do without: {mention(interpolate=FLOW)}",
        )


def make_between(interpolation: Interpolation, fixed: Fixed, paces: Path) -> Between:
    """The method that a plan chose; fixed, paces: see `NetworkBetween`. Raises InputError where its
    weights cannot be used."""
    if interpolation.weights is None:
        return between
    from soundreel.post.networks.between import NetworkBetween

    return NetworkBetween(interpolation.weights, interpolation.method, fixed, paces)


def _frame(state: bytes) -> Frame:
    picture = unpacked(state[_INDEX.size :])
    (index,) = _INDEX.unpack_from(state)
    return Frame(index, picture)
