"""What is to be read in the picture, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a cue, or a syllable: what is sung from `start` to `end`, in seconds of the sound
    file's own clock.

    text: with the blank or line break that follows it in the cue. end: no earlier than `start`; the
        same where the word was sung before the video begins.
    """

    text: str
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that are shown together from `start` to `end`, in seconds of the sound's own clock.

    text: as it is to be read; a line break only where the file has one.
    words: with their times where the file has them, in the order of the text: joined, without
        anything between, they are `text`. Starts rise, but begin anew where two lines are sung at
        once. () where it has none.
    """

    text: str
    start: Fraction
    end: Fraction
    words: tuple[Word, ...] = ()


Cues = Sequence[Cue]
"""In the order of their starts; no two are shown at once."""


@dataclass(frozen=True, slots=True)
class Font:
    """A face in a font file."""

    path: Path
    index: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """All that is written into a clip's pictures: a pure function of this and a picture's number.

    cues: those that are seen in the clip.
    captions: they are shown few words at a time, large, and the word that is spoken stands out.
    title, artist: resolved; "" for none.
    fonts: asked in this order for every glyph.
    track: cues that are not drawn, but a track of the file.
    on_card: the engine writes title and artist, on a card of its own.
    """

    cues: tuple[Cue, ...] = ()
    captions: bool = False
    title: str = ""
    artist: str = ""
    fonts: tuple[Font, ...] = ()
    track: tuple[Cue, ...] = ()
    on_card: bool = False
