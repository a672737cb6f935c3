"""English lines found in the sound, word by word, by forced alignment with `pocketsphinx`.

Its acoustic model and CMU's dictionary lie in its package.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING

from soundreel.events import RunControl
from soundreel.installation import install_command
from soundreel.types import AudioClip
from soundreel.types.words import Cue, Word
from soundreel.words.reading.listen import FRAMES, Heard, NotFound, listen
from soundreel.words.reading.pronounce import Speller

if TYPE_CHECKING:
    from pocketsphinx import Decoder

LEAST_KNOWN = 0.8
"""Of the words, that the dictionary has: else the text is in another language."""

LEAST_FIT = -33.0
"""Mean log score of the words, in the decoder's units a frame. Measured on examples/speech.wav: its
own words -12, with two more among them -17, with three left out -24, under tones and beats as
loud as the voice -24; other words, or its own in another order, -41 and less."""

LINGER_S = 1
"""Seconds that a cue stands after its last word, where the next leaves room."""

_BEAMS = {"beam": 1e-120, "wbeam": 1e-100, "pbeam": 1e-120}
"""Wide ones: a word too many in the text is passed over, and costs nothing to speak of."""

_WORD = re.compile(r"[^ \n]+[ \n]?")
"""With the blank or line break after it."""

_UNIT = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


class _Text:
    """A line, and what of each of its words the decoder can find."""

    def __init__(self, line: str, sayable: Collection[str]) -> None:
        self.words = _WORD.findall(line)
        self._names = [[name for name in _names(word) if name in sayable] for word in self.words]

    @property
    def names(self) -> list[str]:
        return [name for names in self._names for name in names]

    def times(self, heard: Iterator[Heard]) -> list[tuple[float, float] | None]:
        """Begin and end of each word; takes what was heard of all `names`."""
        found = [[next(heard) for _ in names] for names in self._names]
        return [(ones[0].start, ones[-1].end) if ones else None for ones in found]


def aligned(lines: Sequence[str], sound: AudioClip, control: RunControl) -> tuple[Cue, ...]:
    """A cue for each line, with the times of its words. Raises NotFound, or InputError where the
    sound cannot be read."""
    if find_spec("pocketsphinx") is None:
        raise NotFound(f"{install_command('words')} adds what finds English words in the sound")
    with control.stage("find the words"):
        decoder = _decoder()
        sayable = _sayable(lines, decoder)
        texts = [_Text(line, sayable) for line in lines]
        names = [name for text in texts for name in text.names]
        heard = listen(decoder, names, sound, control)
    frames = sum(one.end - one.start for one in heard)
    if sum(one.score for one in heard) < LEAST_FIT * frames:
        raise NotFound("they do not fit what is heard")
    return _cues(texts, heard, sound.start)


def _decoder() -> Decoder:
    from pocketsphinx import Decoder

    return Decoder(lm=None, bestpath=False, loglevel="FATAL", **_BEAMS)


def _sayable(lines: Sequence[str], decoder: Decoder) -> set[str]:
    """Names of words that the decoder can find. Raises NotFound where the lines are not English."""
    names = [name for line in lines for word in _WORD.findall(line) for name in _names(word)]
    strange = {name for name in names if decoder.lookup_word(name) is None}
    known = sum(name not in strange for name in names)
    if not names or known < LEAST_KNOWN * len(names):
        raise NotFound(f"only English can be found in it, and {known} of {len(names)} words are")
    speller, sayable = Speller(), set(names) - strange
    for name in sorted(filter(str.isascii, strange)):
        if phonemes := speller.phonemes(name):
            decoder.add_word(name, phonemes, False)
            sayable.add(name)
    return sayable


def _names(word: str) -> list[str]:
    """As the dictionary writes what is said: "Don’t-you" is don't and you, "café" cafe."""
    bare = unicodedata.normalize("NFKD", word.replace("’", "'"))
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return _UNIT.findall(bare.lower())


def _cues(texts: Sequence[_Text], heard: Sequence[Heard], start: Fraction) -> tuple[Cue, ...]:
    """A cue for each line in which something was found; the lines without join the one before."""
    rest, drafts = iter(heard), list[_Found]()
    for text in texts:
        found = _Found(text.words, text.times(rest))
        if drafts and not (any(found.times) and any(drafts[-1].times)):
            drafts[-1] = drafts[-1].and_line(found)
        else:
            drafts.append(found)
    words = [_timed(draft, start) for draft in drafts]
    nexts = [*(line[0].start for line in words[1:]), None]
    return tuple(_cue(line, after) for line, after in zip(words, nexts, strict=True))


@dataclass(frozen=True, slots=True)
class _Found:
    """Words of a cue with the frames of each; None where nothing of it can be found."""

    words: list[str]
    times: list[tuple[float, float] | None]

    def and_line(self, other: _Found) -> _Found:
        words = [*self.words[:-1], f"{self.words[-1]}\n", *other.words]
        return _Found(words, [*self.times, *other.times])


def _timed(line: _Found, start: Fraction) -> list[Word]:
    """A word without times of its own, as a number, begins and ends where the one before it ends,
    or the first one begins."""
    at = next(time[0] for time in line.times if time)
    found: list[Word] = []
    for text, time in zip(line.words, line.times, strict=True):
        first, at = time or (at, at)
        found.append(Word(text, start + _second(first), start + _second(at)))
    return found


def _second(frame: float) -> Fraction:
    return Fraction(round(frame), FRAMES)


def _cue(words: list[Word], after: Fraction | None) -> Cue:
    end = words[-1].end + LINGER_S
    end = end if after is None else max(min(end, after), words[-1].end)
    return Cue("".join(word.text for word in words), words[0].start, end, tuple(words))
