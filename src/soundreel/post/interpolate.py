"""More pictures in the same time: `factor` for every one, streamed, holding one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import cv2
import numpy as np

from soundreel.errors import WorkError
from soundreel.post.flow import between
from soundreel.types import Rgb

Between = Callable[[Rgb, Rgb, int], list[Rgb]]
"""(first, second, count): `count` pictures evenly between the two."""

_METHODS: Mapping[str, Between] = {"flow": between}

LOCAL_METHODS = frozenset(_METHODS)
"""What `Request.interpolate` may name without the engine's help."""


class Interpolator:
    """Turns N pictures of a shot into exactly N * factor.

    `push` the shot's pictures in order, then `finish`. The first picture passes at once; each one
    after it comes with the `factor - 1` pictures before it. Between chunks, `snapshot` is what
    `restore` needs to go on as if nothing had happened: the last picture, lossless.
    """

    def __init__(self, factor: int, method: str = "flow") -> None:
        self.factor = factor
        self._between = _METHODS[method]
        self._last: Rgb | None = None

    def push(self, rgb: Rgb) -> list[Rgb]:
        """The pictures that can be shown now that `rgb` is known: `factor` of them, or only
        `rgb` itself if it is the first of the shot."""
        last, self._last = self._last, rgb
        if last is None:
            return [rgb]
        return [*self._between(last, rgb, self.factor - 1), rgb]

    def finish(self, following: Rgb | None) -> list[Rgb]:
        """The `factor - 1` pictures after the shot's last one: on the way to `following`, a
        picture that is not shown itself, or else the last one repeated."""
        last, self._last = self._last, None
        if last is None:
            return []
        if following is None:
            return [last] * (self.factor - 1)
        return self._between(last, following, self.factor - 1)

    def snapshot(self) -> bytes:
        """The last picture, lossless; empty before the first picture of a shot."""
        if self._last is None:
            return b""
        _, data = cv2.imencode(".png", cv2.cvtColor(self._last, cv2.COLOR_RGB2BGR))
        return data.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a snapshot. Raises WorkError if it is none."""
        if not state:
            self._last = None
            return
        picture = cv2.imdecode(np.frombuffer(state, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise WorkError(
                "the saved picture between two chunks is damaged",
                hint="remove the work folder of this job, then run the same command again",
            )
        self._last = cast(Rgb, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
