"""Prompts in time: "[0:00-0:12] calm sea [0:12-] storm, breaking waves".

Times are those of the sound file. What stands before the first bracket, or else the plain prompt,
is shown where no span says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil

from soundreel.errors import InputError
from soundreel.options.texts import parse_time
from soundreel.timeline.grid import format_clock as clock

LEAST_SPAN_S = Fraction(2)
"""Less than this is not seen as a change but as a flicker: chunks of half a second in between would
leave the model most of its motion frames from the other prompt."""

NEAR_CUT_S = Fraction(1, 2)
"""A prompt that changes so near a cut changes at the cut: a chunk shorter than half a second would
show little more than the motion frames before it."""

_SPAN = re.compile(r"\[\s*(\d[\d:.]*)\s*-\s*([\d:.]*)\s*\]")


@dataclass(frozen=True, slots=True)
class Span:
    """end None is the end of the sound."""

    start: Fraction
    end: Fraction | None
    text: str

    def holds(self, time: Fraction) -> bool:
        return self.start <= time and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class TimedPrompt:
    """spans in order, without overlap."""

    plain: str
    spans: tuple[Span, ...]

    def at(self, time: Fraction) -> str:
        return next((span.text for span in self.spans if span.holds(time)), self.plain)

    @property
    def borders(self) -> tuple[Fraction, ...]:
        """Seconds in the sound file at which the prompt may change, rising."""
        ends = [span.end for span in self.spans if span.end is not None]
        return tuple(sorted({span.start for span in self.spans} | set(ends)))


def read_prompt(text: str, plain: str) -> TimedPrompt:
    """Raises InputError naming both times of a span that is empty, short, or over another."""
    marks = list(_SPAN.finditer(text))
    if not marks:
        return TimedPrompt(text, ())
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    spans = [_span(mark, text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]
    spans.sort(key=lambda span: span.start)
    _check_order(spans)
    return TimedPrompt(text[: marks[0].start()].strip() or plain, tuple(spans))


def prompts_of(
    prompt: TimedPrompt, frames: range, start: Fraction, fps: Fraction
) -> tuple[str, tuple[tuple[int, str], ...], list[Fraction]]:
    """What a shot of these frames shows: its first prompt, then (frame, prompt) where another one
    begins, and the borders that were moved to one of the shot's own.

    start: second of the sound file at frame 0.
    """
    near = NEAR_CUT_S * fps
    first, moved = prompt.at(start + frames.start / fps), list[Fraction]()
    changes: list[tuple[int, str]] = []
    for border in prompt.borders:
        frame, text = ceil((border - start) * fps), prompt.at(border)
        if not frames.start < frame < frames.stop:
            continue
        if frame - frames.start < near or frames.stop - frame < near:
            moved.append(border)
            if frame - frames.start < near:
                first = text
        elif text != (changes[-1][1] if changes else first):
            changes.append((frame, text))
    return first, tuple(changes), moved


def _span(mark: re.Match[str], text: str) -> Span:
    try:
        start = parse_time(mark[1])
        end = parse_time(mark[2]) if mark[2] else None
    except ValueError as err:
        raise _wrong(mark[0], str(err)) from err
    if not text.strip():
        raise _wrong(mark[0], "there is no prompt behind it")
    if end is not None and end - start < LEAST_SPAN_S:
        length = (
            "is over before it starts"
            if end <= start
            else f"is shorter than {LEAST_SPAN_S} seconds"
        )
        raise _wrong(mark[0], f"from {clock(start)} to {clock(end)} {length}")
    return Span(start, end, text.strip())


def _check_order(spans: list[Span]) -> None:
    for before, after in pairwise(spans):
        end = "the end" if before.end is None else clock(before.end)
        if before.end is None or before.end > after.start:
            raise _wrong(
                f"[{clock(after.start)}-...]",
                f"it begins inside the span from {clock(before.start)} to {end}",
            )
        if 0 < after.start - before.end < LEAST_SPAN_S:
            raise _wrong(
                f"[{clock(after.start)}-...]",
                f"the gap before it, from {end}, is shorter than {LEAST_SPAN_S} seconds",
            )


def _wrong(mark: str, rule: str) -> InputError:
    return InputError(
        f"the prompt's span {mark}: {rule}",
        hint='write e.g. "[0:00-0:12] calm sea [0:12-] storm", spans of 2 seconds and more',
        fields={"prompt": mark},
        rule=rule,
    )
