"""The look of a take over time, and what takes it back.

The first part of a shot, or of a prompt, says how the take shall look. From the second on, the
look of the last pictures (an exponential mean over `MEMORY_SECONDS`) is compared with it, and each
picture is corrected by the difference, where it is more than the first part itself wavered: what
the take does anyway, with the sound, is no drift.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from soundreel.post.steady.correction import Correction, colour_map, colour_table, sharpening
from soundreel.post.steady.look import Floats, Look, measure
from soundreel.types import Chunk, Plan, Rgb

MEMORY_SECONDS = 3.0

_HEAD = struct.Struct(">ddQ")  # wavering of colour, of detail; numbers of a look


class Steady:
    """Corrects the pictures of all chunks in order; `snapshot` is what `restore` needs to go on.

    detail: whether sharpness is kept too. rate: pictures a second.
    """

    def __init__(self, chunks: Sequence[Chunk], detail: bool, rate: Fraction) -> None:
        self._chunks, self._detail = chunks, detail
        self._keep = float(np.exp(-1 / (MEMORY_SECONDS * float(rate))))
        self._first: list[Floats] = []  # of the first part, while it is made
        self._wanted: Look | None = None
        self._wavering = (0.0, 0.0)
        self._recent: Floats | None = None

    def enter(self, chunk: Chunk) -> None:
        """Called before the first picture of each chunk."""
        before = self._chunks[chunk.index - 1] if chunk.index else None
        if before is None or before.shot != chunk.shot or before.prompt != chunk.prompt:
            self._first, self._wanted, self._recent = [], None, None
        self._close()

    def correction(self, rgb: Rgb) -> Correction | None:
        """For the next picture, which is taken into account; None leaves it as it is."""
        numbers = measure(rgb)
        if self._wanted is None or self._recent is None:
            self._first.append(numbers)
            return None
        self._recent = numbers + self._keep * (self._recent - numbers)
        now, colour, detail = Look(self._recent), *self._wavering
        found = colour_map(now, self._wanted)
        share = _share(found.distance(now), colour)
        table = colour_table(found, share) if share else None
        sharpen = 0.0
        if self._detail:
            share = _share(now.detail_distance(self._wanted), detail)
            sharpen = sharpening(now, self._wanted, share) if share else 0.0
        return None if table is None and not sharpen else Correction(table, sharpen)

    def corrected(self, rgb: Rgb) -> Rgb:
        """The next picture as it should look."""
        found = self.correction(rgb)
        return rgb if found is None else found.applied(rgb)

    def _close(self) -> None:
        """The first part is over: say how the take shall look, and how far it wavers."""
        if not self._first:
            return
        wanted = Look(np.mean(self._first, axis=0))
        recent, far = wanted.numbers, []
        for numbers in self._first:
            recent = numbers + self._keep * (recent - numbers)
            look = Look(recent)
            far.append((colour_map(look, wanted).distance(look), look.detail_distance(wanted)))
        colour, detail = np.max(far, axis=0)
        self._first, self._wanted, self._recent = [], wanted, recent
        self._wavering = (float(colour), float(detail))

    def snapshot(self) -> bytes:
        """Between two chunks."""
        self._close()
        if self._wanted is None or self._recent is None:
            return b""
        numbers = np.concatenate([self._wanted.numbers, self._recent]).astype(">f8")
        return _HEAD.pack(*self._wavering, len(self._recent)) + numbers.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a snapshot; an empty one knows no picture yet."""
        self._first, self._wanted, self._recent = [], None, None
        if state:
            colour, detail, size = _HEAD.unpack_from(state)
            numbers = np.frombuffer(state, ">f8", offset=_HEAD.size).astype(np.float64)
            self._wavering = (colour, detail)
            self._wanted, self._recent = Look(numbers[:size]), numbers[size:]


def _share(distance: float, wavering: float) -> float:
    """Of the way back: nothing within the wavering, nearly all far beyond it, as an estimate that
    is shrunk by its noise (James and Stein)."""
    return max(0.0, 1 - (wavering / distance) ** 2) if distance > 1e-4 else 0.0


def make_steady(plan: Plan, rate: Fraction) -> Steady | None:
    """What the request asks for; None for nothing. rate: pictures a second that come."""
    word = plan.request.steady
    return None if word == "off" else Steady(plan.chunks, word == "full", rate)
