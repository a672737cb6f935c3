"""Words into the pictures of the file: what stands on picture j is what is sung at j / its rate."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from soundreel.types import Plan, Rgb
from soundreel.types.words import Words
from soundreel.words.card import card_sheets
from soundreel.words.drawing import sheet_of
from soundreel.words.layout import Screen, screens_of
from soundreel.words.letters.shaping import Shaper
from soundreel.words.sheet import Sheet


class Burn:
    """Holds what one cue needs, however long the clip is."""

    def __init__(self, plan: Plan, words: Words) -> None:
        self._words, self._size = words, plan.request.output_size
        self._start, self._rate = plan.audio.start, plan.output_fps
        self._shaper = Shaper(words.fonts)
        self._card = card_sheets(words, plan.request, self._shaper)
        self._starts = [cue.start for cue in words.cues]
        self._cue: tuple[int, list[Screen]] = (-1, [])
        self._sheet: tuple[Screen, Sheet | None] | None = None

    def __call__(self, picture: Rgb, number: int) -> Rgb:
        """A picture of the file by its number, with what is to be read on it."""
        time = self._start + number / self._rate
        sheet = self._sheet_at(time)
        sheets = [*self._card, *([] if sheet is None else [sheet])]
        made = picture.copy() if sheets else picture
        for each in sheets:
            each.lay(made, time)
        return made

    def _sheet_at(self, time: Fraction) -> Sheet | None:
        screen = self._screen_at(time)
        if screen is None:
            return None
        if self._sheet is None or self._sheet[0] is not screen:
            drawn = sheet_of(screen, self._shaper, self._size, self._words.captions)
            self._sheet = (screen, drawn)
        return self._sheet[1]

    def _screen_at(self, time: Fraction) -> Screen | None:
        index = bisect_right(self._starts, time) - 1
        if index < 0 or time >= self._words.cues[index].end:
            return None
        if self._cue[0] != index:
            cue = self._words.cues[index]
            screens = screens_of(cue, self._shaper, self._size, self._words.captions)
            self._cue = (index, screens)
        return next((each for each in self._cue[1] if each.start <= time < each.end), None)
