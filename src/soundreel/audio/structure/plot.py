"""One picture of what was heard in a sound: level, bands, beats, bars, sections, pauses, shots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from soundreel.audio.structure.cuts import propose_cuts
from soundreel.audio.structure.describe import Structure, take_apart
from soundreel.audio.structure.listen import Curve, Heard, listen
from soundreel.timeline.grid import format_clock
from soundreel.types import AudioClip

WIDTH, HEIGHT = 1600, 860
LEFT, RIGHT = 120, 30
GROUND, INK, FAINT = (16, 18, 24), (226, 230, 238), (112, 120, 136)
WAVE, BEAT, BAR, PAUSE = (96, 178, 255), (112, 120, 136), (255, 206, 92), (92, 196, 150)
SECTIONS = (
    *((86, 124, 214), (214, 116, 92), (104, 172, 104)),
    *((182, 118, 200), (204, 168, 78), (94, 176, 186)),
)
"""Colours of the sections by their names' order; the seventh name begins again."""

SHOTS = ((58, 66, 84), (78, 88, 110))
"""Shots take turns, so that a cut is seen."""


Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A strip of the picture: `name` at its left, its upper and lower edge in pixels."""

    name: str
    top: int
    bottom: int


TITLE = Row("", 16, 64)
LEVEL = Row("level", 84, 264)
BANDS = Row("bands", 284, 484)
BEATS = Row("beats", 504, 564)
PARTS = Row("sections", 584, 644)
PAUSES = Row("pauses", 664, 694)
CUTS = Row("shots", 714, 774)
AXIS = Row("", 784, 844)


def plot(clip: AudioClip, bounds: tuple[Fraction, Fraction]) -> Image.Image:
    """What `draw` shows of a clip, with the shots that suit it. bounds: seconds of the shortest and
    the longest. Raises InputError."""
    heard = listen(clip)
    structure = take_apart(heard, clip.start)
    return draw(clip.path.name, heard, structure, propose_cuts(structure, *bounds))


def draw(title: str, heard: Heard, structure: Structure, cuts: Sequence[Fraction]) -> Image.Image:
    """An RGB picture, 1600 x 860. cuts: where shots begin, the first one's start left out."""
    picture = _Picture(structure)
    picture.text(LEFT, TITLE.top, title, 26, INK)
    picture.text(LEFT, TITLE.top + 34, _summary(structure, cuts), 18, FAINT)
    picture.level(heard.level)
    picture.bands(heard.timbre)
    picture.ticks(structure.beats, 0.5, BEAT)
    picture.ticks(structure.downbeats, 1.0, BAR)
    picture.sections(structure)
    for begin, end in structure.pauses:
        picture.block(PAUSES, begin, end, PAUSE)
    for number, (begin, end) in enumerate(pairwise([structure.start, *cuts, structure.end])):
        picture.block(CUTS, begin, end, SHOTS[number % 2], str(number + 1))
    picture.axis()
    return picture.image


def _summary(structure: Structure, cuts: Sequence[Fraction]) -> str:
    begin, end = (format_clock(round(time, 1)) for time in (structure.start, structure.end))
    parts = [f"{begin} to {end}"]
    if structure.tempo is None:
        parts.append("no steady beat")
    else:
        parts.append(f"{structure.tempo:.1f} beats a minute, {structure.metre} in a bar")
    parts.append(f"{len(structure.sections)} sections, {len(cuts) + 1} shots")
    return "   ·   ".join(parts)


class _Picture:
    """Times in, pixels out."""

    def __init__(self, structure: Structure) -> None:
        self.start, self.length = structure.start, structure.end - structure.start
        self.image = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
        self.pen = ImageDraw.Draw(self.image)
        for row in (LEVEL, BANDS, BEATS, PARTS, PAUSES, CUTS):
            middle = (row.top + row.bottom) // 2 - 10
            self.text(16, middle, row.name, 18, FAINT)
            self.pen.rectangle((LEFT, row.top, WIDTH - RIGHT, row.bottom), fill=(24, 27, 35))

    def at(self, time: Fraction) -> int:
        """The column of a time."""
        return LEFT + int((time - self.start) / self.length * (WIDTH - RIGHT - LEFT))

    def text(self, x: int, y: int, words: str, size: int, colour: Colour) -> None:
        self.pen.text((x, y), words, fill=colour, font=ImageFont.load_default(size))

    def level(self, level: Curve) -> None:
        """The loudest of every column, up and down from the middle."""
        columns = WIDTH - RIGHT - LEFT
        loudest = _by_column(level[:, None], columns, np.max)[:, 0]
        loudest /= max(float(loudest.max(initial=0)), 1e-9)
        middle, reach = (LEVEL.top + LEVEL.bottom) // 2, (LEVEL.bottom - LEVEL.top) // 2 - 2
        for column, share in enumerate(loudest.tolist()):
            x, y = LEFT + column, round(share * reach)
            self.pen.line((x, middle - y, x, middle + y), fill=WAVE)

    def bands(self, timbre: Curve) -> None:
        """Low bands below, brighter where louder."""
        size = (WIDTH - RIGHT - LEFT, BANDS.bottom - BANDS.top)
        rows = _by_column(timbre, size[0], np.mean).T[::-1]
        share = rows / max(float(rows.max(initial=0)), 1e-9)
        dark, mid, light = (np.array(c, float) for c in (GROUND, (120, 58, 150), (255, 214, 130)))
        colours = np.where(
            share[..., None] < 0.5,
            dark + (mid - dark) * share[..., None] * 2,
            mid + (light - mid) * (share[..., None] * 2 - 1),
        )
        small = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
        self.image.paste(small.resize(size, Image.Resampling.NEAREST), (LEFT, BANDS.top))

    def ticks(self, times: Iterable[Fraction], share: float, colour: Colour) -> None:
        """A line from the strip's foot for each time, `share` of its height."""
        top = BEATS.bottom - round((BEATS.bottom - BEATS.top) * share)
        for time in times:
            x = self.at(time)
            self.pen.line((x, top, x, BEATS.bottom), fill=colour)

    def sections(self, structure: Structure) -> None:
        """One colour for the parts of one name."""
        names = sorted({section.name for section in structure.sections})
        starts = [section.start for section in structure.sections]
        ends = [*starts[1:], structure.end]
        for section, end in zip(structure.sections, ends, strict=False):
            colour = SECTIONS[names.index(section.name) % len(SECTIONS)]
            self.block(PARTS, section.start, end, colour, section.name)

    def block(
        self, row: Row, begin: Fraction, end: Fraction, colour: Colour, name: str = ""
    ) -> None:
        """A filled stretch, with its name where there is room."""
        left, right = self.at(begin), max(self.at(end) - 1, self.at(begin))
        self.pen.rectangle((left, row.top, right, row.bottom), fill=colour)
        font = ImageFont.load_default(18)
        if name and self.pen.textlength(name, font=font) + 6 < right - left:
            self.pen.text((left + 4, (row.top + row.bottom) // 2 - 11), name, INK, font=font)

    def axis(self) -> None:
        """A time every so many seconds, about a dozen in all."""
        step = next((s for s in _STEPS_S if self.length / s <= 14), _STEPS_S[-1])
        first = -(-self.start // step)
        for number in range(first, int((self.start + self.length) // step) + 1):
            x = self.at(Fraction(number * step))
            self.pen.line((x, AXIS.top, x, AXIS.top + 8), fill=FAINT)
            self.text(x - 16, AXIS.top + 12, format_clock(Fraction(number * step)), 18, INK)


_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)


def _by_column(curve: Curve, columns: int, reduce: Callable[..., Curve]) -> Curve:
    """(columns, n): the values of each column of the picture made one, by `np.max` or `np.mean`."""
    edges = np.linspace(0, len(curve), columns + 1).astype(int).tolist()
    rows = [
        reduce(curve[min(a, len(curve) - 1) : max(a + 1, b)], axis=0) for a, b in pairwise(edges)
    ]
    return np.array(rows)
