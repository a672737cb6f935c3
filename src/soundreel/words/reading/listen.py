"""Given words found in a sound, in windows, so that the work grows with the length alone.

Of each window but the last the words are kept that end well inside it, and the next begins where
they end. How many words a window takes is left open by ways out of its grammar after every word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.segment import read_clip
from soundreel.events import RunControl
from soundreel.types import AudioClip

if TYPE_CHECKING:
    from pocketsphinx import Decoder

RATE = 16_000
FRAMES = 100
"""Of the decoder, in a second."""

WINDOW_S, WINDOW_WORDS = 120, 720
"""Nobody says more than six words a second for so long."""

KEPT = 0.9
"""Of a window: where its last words end is not certain."""

_SEARCH = "words"


class NotFound(Exception):
    """The lines cannot be found in the sound; says why, as half a sentence."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A word in frames from the start of what was listened to. score: log, of all its frames."""

    start: float
    end: float
    score: float


def listen(
    decoder: Decoder, names: Sequence[str], sound: AudioClip, control: RunControl
) -> list[Heard]:
    """Where each of the words is. Raises NotFound, or InputError where the sound cannot be read."""
    heard: list[Heard] = []
    begin, end = sound.start, sound.sound_end
    while len(heard) < len(names):
        control.raise_if_cancelled()
        is_last = end - begin <= WINDOW_S
        length = min(end - begin, Fraction(WINDOW_S))
        rest = names[len(heard) :]
        found = _window(decoder, rest, _samples(sound, begin, length, control), is_last=is_last)
        later = float((begin - sound.start) * FRAMES)
        if not is_last:
            found = [one for one in found if one.end < KEPT * WINDOW_S * FRAMES]
        if not found or (is_last and len(found) < len(rest)):
            raise NotFound("they do not fit what is heard")
        heard += [Heard(one.start + later, one.end + later, one.score) for one in found]
        begin += Fraction(int(found[-1].end), FRAMES)
    return heard


def _samples(
    sound: AudioClip, start: Fraction, length: Fraction, control: RunControl
) -> NDArray[np.int16]:
    heard = read_clip(sound, start, length, rate=RATE, mono=True, control=control)[0]
    return np.asarray(np.rint(np.clip(heard, -1, 1) * 32767), np.int16)


def _window(
    decoder: Decoder, names: Sequence[str], samples: NDArray[np.int16], *, is_last: bool
) -> list[Heard]:
    """The words from the first on that are in the samples; all of them where it is the last."""
    names = names if is_last else names[:WINDOW_WORDS]
    count = len(names)
    ways: list[tuple[object, ...]] = [(at, at + 1, 1.0, name) for at, name in enumerate(names)]
    if not is_last:
        ways += [(at, count, 1.0) for at in range(1, count)]
    decoder.add_fsg(_SEARCH, decoder.create_fsg(_SEARCH, 0, count, ways))
    decoder.activate_search(_SEARCH)
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    return list(_segments(decoder)) if decoder.hyp() else []


def _segments(decoder: Decoder) -> Iterator[Heard]:
    """Fillers are <sil>, [NOISE] and the like; ways out are (NULL)."""
    for one in decoder.seg():
        if not one.word.startswith(("<", "[", "(")):
            score = float(decoder.logmath.log(max(one.ascore, 1e-300)))
            yield Heard(one.start_frame, one.end_frame + 1, score)
