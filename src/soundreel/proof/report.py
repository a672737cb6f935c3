"""One picture of a proof that a person understands: the verdicts, and what was measured in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from soundreel.proof.check import Proof
from soundreel.proof.rules.reaction import limits
from soundreel.proof.rules.verdict import Line, clock_text
from soundreel.proof.senses.heard import LEVEL_S, Floats
from soundreel.types import Rgb

WIDTH = 1600
LEFT, RIGHT = 150, 30
GROUND, PANEL, INK, FAINT = (16, 18, 24), (24, 27, 35), (226, 230, 238), (120, 128, 144)
COLOURS = {
    "ok": (92, 196, 150),
    "note": (255, 206, 92),
    "fail": (240, 92, 92),
    "unknown": (120, 128, 144),
}
WORDS = {"ok": "fine", "note": "note", "fail": "FAILS", "unknown": "cannot tell"}
WAVE, CHANGE, LAG, MOUTH = (96, 178, 255), (182, 150, 230), (255, 206, 92), (240, 140, 190)
BAND = (30, 52, 46)
"""The lags that are right."""

ROW, TOP = 30, 92
MOST_PLACES = 12

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Strip:
    """A band of the picture: its name at the left, what is drawn in it, upper and lower edge."""

    name: str
    unit: str
    top: int
    bottom: int


def draw(proof: Proof) -> Image.Image:
    """An RGB picture, 1600 wide: verdicts above, and below them pictures, sound, change, lag and
    colour over the time of the video, with the places of what fails."""
    first = TOP + ROW * len(proof.lines) + 24
    heights = (("pictures", "", 110), ("sound", "level", 120), ("change", "a picture", 120),
               ("lag", "ms behind sound", 150), ("colour", "L  a  b", 120))  # fmt: skip
    strips, top = [], first
    for name, unit, height in heights:
        strips.append(Strip(name, unit, top, top + height))
        top += height + 14
    sheet = _Sheet(proof, top + 40)
    sheet.title()
    for index, line in enumerate(proof.lines):
        sheet.line(line, TOP + ROW * index)
    pictures, sound, change, lag, colour = strips
    sheet.pictures(pictures)
    sheet.level(sound)
    sheet.columns(change, sheet.seen.change, sheet.picture_times, CHANGE)
    sheet.lags(lag)
    sheet.colours(colour)
    sheet.places(strips)
    sheet.axis(top)
    return sheet.image


class _Sheet:
    """Seconds in, pixels out."""

    def __init__(self, proof: Proof, height: int) -> None:
        self.proof, evidence = proof, proof.evidence
        self.seen, self.heard = evidence.seen, evidence.heard
        self.image = Image.new("RGB", (WIDTH, height), GROUND)
        self.pen = ImageDraw.Draw(self.image)
        self.origin = float(self.seen.times[0]) if self.heard is None else float(self.heard.start)
        self.picture_times = self.seen.times - self.origin
        ends = [float(self.picture_times[-1]) + self.seen.step]
        ends += [] if self.heard is None else [float(self.heard.clip.duration)]
        self.length = max(*ends, 1e-3)

    def at(self, second: float) -> int:
        share = min(max(second / self.length, 0.0), 1.0)
        return LEFT + round(share * (WIDTH - RIGHT - LEFT - 1))

    def text(self, x: int, y: int, words: str, size: int = 17, colour: Colour = INK) -> None:
        self.pen.text((x, y), words, fill=colour, font=ImageFont.load_default(size))

    def title(self) -> None:
        word = self.proof.word
        self.pen.rectangle((0, 0, 10, 70), fill=COLOURS[word])
        self.text(28, 12, self.proof.video.name, 26)
        failed = sum(line.word == "fail" for line in self.proof.lines)
        said = f"{failed} of {len(self.proof.lines)} checks fail" if failed else "nothing is wrong"
        said += f"   ·   {len(self.seen.times)} pictures in {clock_text(self.length)}"
        if self.proof.against is not None:
            said += f"   ·   against {self.proof.against.name}"
        self.text(28, 46, said, 18, COLOURS[word] if failed else FAINT)

    def line(self, line: Line, y: int) -> None:
        colour = COLOURS[line.word]
        self.pen.ellipse((30, y + 6, 42, y + 18), fill=colour)
        self.text(54, y + 1, WORDS[line.word], colour=colour)
        self.text(LEFT + 20, y + 1, line.name, colour=INK if line.word == "fail" else FAINT)
        self.text(LEFT + 140, y + 1, self._fitting(line.found, WIDTH - LEFT - 170))

    def _fitting(self, words: str, width: int) -> str:
        font = ImageFont.load_default(17)
        if self.pen.textlength(words, font=font) <= width:
            return words
        while words and self.pen.textlength(f"{words} …", font=font) > width:
            words = words[:-1]
        return f"{words} …"

    def frame(self, strip: Strip) -> None:
        self.pen.rectangle((LEFT, strip.top, WIDTH - RIGHT, strip.bottom), fill=PANEL)
        middle = (strip.top + strip.bottom) // 2
        self.text(16, middle - 20, strip.name, 18)
        self.text(16, middle + 2, strip.unit, 14, FAINT)

    def pictures(self, strip: Strip) -> None:
        """As many as fit side by side, each at its time."""
        self.frame(strip)
        shown = self.seen.shown
        if not shown:
            return
        tall = strip.bottom - strip.top
        height, width = shown[0][1].shape[:2]
        wide = max(1, round(width * tall / height))
        for x in range(LEFT, WIDTH - RIGHT - wide, wide + 4):
            second = (x - LEFT) / (WIDTH - RIGHT - LEFT) * self.length
            self.image.paste(
                _thumb(_nearest(shown, second + self.origin), wide, tall), (x, strip.top)
            )

    def level(self, strip: Strip) -> None:
        self.frame(strip)
        if self.heard is None:
            self.text(LEFT + 12, strip.top + 12, "no sound", 16, FAINT)
            return
        times = np.arange(len(self.heard.level), dtype=np.float64) * float(LEVEL_S)
        self.columns(strip, self.heard.level, times, WAVE)

    def columns(self, strip: Strip, values: Floats, times: Floats, colour: Colour) -> None:
        """The largest of every column, from the foot of the strip."""
        self.frame(strip)
        most = float(np.quantile(values, 0.999)) if values.size else 0.0
        reach = strip.bottom - strip.top - 4
        tallest: dict[int, float] = {}
        for value, time in zip(values.tolist(), times.tolist(), strict=True):
            x = self.at(time)
            tallest[x] = max(tallest.get(x, 0.0), value)
        wide = max(1, self.at(float(times[1])) - self.at(float(times[0]))) if len(times) > 1 else 1
        for x, value in tallest.items():
            y = strip.bottom - round(min(1.0, value / max(most, 1e-6)) * reach)
            self.pen.rectangle((x, y, min(x + wide - 1, WIDTH - RIGHT), strip.bottom), fill=colour)

    def lags(self, strip: Strip) -> None:
        """Each stretch's lag, the band of what is right, and the mouth's."""
        self.frame(strip)
        stretches = self.proof.evidence.stretches
        early, late = limits(self.seen.step)
        drawn = [lag for s in stretches for lag in (s.lag, s.mouth) if lag is not None]
        if not drawn:
            self.text(LEFT + 12, strip.top + 12, "no clear reaction to the sound", 16, FAINT)
            return
        ends = [
            lag.seconds + lag.slope * (s.end - s.begin) / 2 * sign + (lag.jump or (0.0, 0.0))[1]
            for s in stretches for lag in (s.lag, s.mouth) if lag is not None for sign in (-1, 1)
        ]  # fmt: skip
        reach = max(0.1, 1.3 * max(map(abs, (*ends, *(lag.seconds for lag in drawn)))))

        def row(lag: float) -> int:
            share = 0.5 - lag / reach / 2
            return strip.top + round(min(max(share, 0.0), 1.0) * (strip.bottom - strip.top))

        self.pen.rectangle((LEFT, row(late), WIDTH - RIGHT, row(early)), fill=BAND)
        self.pen.line((LEFT, row(0), WIDTH - RIGHT, row(0)), fill=FAINT)
        for value in (-reach, 0.0, reach):
            y = min(max(row(value) - 8, strip.top), strip.bottom - 16)
            self.text(LEFT - 52, y, f"{value * 1000:+.0f}", 13, FAINT)
        for stretch in stretches:
            for lag, colour in ((stretch.mouth, MOUTH), (stretch.lag, LAG)):
                if lag is None:
                    continue
                half = lag.slope * (stretch.end - stretch.begin) / 2
                begin, end = self.at(stretch.begin), self.at(stretch.end)
                if lag.jump is None:
                    points = [(begin, row(lag.seconds - half)), (end, row(lag.seconds + half))]
                else:
                    x, after = self.at(lag.jump[0]), row(lag.seconds + lag.jump[1])
                    points = [(begin, row(lag.seconds)), (x, row(lag.seconds)), (x, after),
                              (end, after)]  # fmt: skip
                self.pen.line(points, fill=colour, width=3)

    def colours(self, strip: Strip) -> None:
        """Brightness white, green to red and blue to yellow in their own colours."""
        self.frame(strip)
        lab, reach = self.seen.lab, strip.bottom - strip.top
        scales: tuple[tuple[int, Callable[[Floats], Floats], Colour], ...] = (
            (1, lambda a: 0.5 + a / 160, (222, 110, 140)),
            (2, lambda b: 0.5 + b / 160, (222, 196, 90)),
            (0, lambda lightness: lightness / 100, INK),
        )
        for column, scale, colour in scales:
            shares = np.clip(scale(lab[:, column]), 0, 1)
            points: dict[int, list[float]] = {}
            for share, time in zip(shares.tolist(), self.picture_times.tolist(), strict=True):
                points.setdefault(self.at(time), []).append(share)
            self.pen.line(
                [(x, strip.bottom - round(float(np.mean(v)) * reach)) for x, v in points.items()],
                fill=colour, width=2,
            )  # fmt: skip

    def places(self, strips: list[Strip]) -> None:
        """A red line through everything where something fails, with the name of what fails."""
        row = 0
        for line in self.proof.lines:
            if line.word != "fail":
                continue
            for number, place in enumerate(line.places[:MOST_PLACES]):
                x = self.at(place)
                self.pen.line((x, strips[0].top, x, strips[-1].bottom), fill=COLOURS["fail"])
                if number == 0:
                    font = ImageFont.load_default(15)
                    wide = round(self.pen.textlength(line.name, font=font)) + 10
                    left = min(x + 2, WIDTH - RIGHT - wide)
                    y = strips[1].top + 4 + 20 * (row % 5)
                    self.pen.rectangle((left, y, left + wide, y + 19), fill=COLOURS["fail"])
                    self.pen.text((left + 5, y + 1), line.name, fill=GROUND, font=font)
                    row += 1

    def axis(self, y: int) -> None:
        """A time every so many seconds, about a dozen in all."""
        steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
        step = next((s for s in steps if self.length / s <= 14), steps[-1])
        for number in range(int(self.length / step) + 1):
            x = self.at(number * step)
            self.pen.line((x, y - 8, x, y), fill=FAINT)
            self.text(x - 16, y + 4, clock_text(number * step)[:-3], 16, FAINT)


def _nearest(shown: list[tuple[float, Rgb]], second: float) -> Rgb:
    return min(shown, key=lambda each: abs(each[0] - second))[1]


def _thumb(picture: Rgb, width: int, height: int) -> Image.Image:
    return Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
