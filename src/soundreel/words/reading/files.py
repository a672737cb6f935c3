"""A file of lyrics or captions, whatever its format: told by what stands in it, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from soundreel.audio.load import probe
from soundreel.directing.text_file import read_text
from soundreel.errors import InputError
from soundreel.events import Notice, RunControl
from soundreel.timeline.grid import format_seconds
from soundreel.types import AudioClip
from soundreel.types.words import Cue
from soundreel.words.reading import ass, lrc, subtitles
from soundreel.words.reading.align import aligned
from soundreel.words.reading.drafts import LONGEST_TEXT, Draft, moved, settled, trimmed
from soundreel.words.reading.listen import NotFound
from soundreel.words.reading.noted import kept
from soundreel.words.reading.plain import lines_of
from soundreel.words.reading.spread import spread
from soundreel.work.job import Fixed

HINT = "give lyrics or captions as .lrc, .srt, .vtt, .ass, or as plain text"
MOST_BYTES = 4 << 20
MOST_CUES = 20_000

_T = TypeVar("_T")

_READERS: tuple[tuple[Callable[[str], bool], Callable[[str, str], Iterator[Draft]]], ...] = (
    (subtitles.is_vtt, subtitles.read_vtt),
    (ass.is_ass, ass.read),
    (subtitles.is_srt, subtitles.read_srt),
    (lrc.is_lrc, lrc.read),
)


def read_cues(
    path: Path,
    heard: AudioClip,
    drive: AudioClip | None,
    control: RunControl,
    fixed: Fixed | None = None,
) -> tuple[Cue, ...]:
    """What the file shows while the clip is heard, in seconds of the sound file.

    Lines without times are found in the sound, or else laid over it, which is said. drive: what
    steers the picture, where it is another sound. fixed: where what was found is kept. Raises
    InputError naming the line, what stands there and what to do.
    """
    text = read_text(path, "words to show", MOST_BYTES, HINT)
    cues = timed_cues(text, path.name)
    if cues is None:
        find = partial(_by_the_sound, text, path.name, heard, drive, control)
        cues = find() if fixed is None else kept(fixed, find)
    start, end = heard.start, heard.start + heard.duration
    shown = trimmed(cues, start, end)
    if not shown:
        first, last = (format_seconds(each) for each in (cues[0].start, cues[-1].end))
        raise InputError(
            f"{path.name} has its words from {first} to {last} s of the sound, and the video shows "
            f"{format_seconds(start)} to {format_seconds(end)} s",
            hint="choose another part of the sound, or leave the file out",
        )
    if len(shown) < len(cues):
        control.emit(Notice(f"of {path.name} {len(shown)} of {len(cues)} lines are in this part"))
    return shown


def timed_cues(text: str, name: str) -> tuple[Cue, ...] | None:
    """Of a text with times, on the clock of the sound file (see `drafts.settled`); None where it
    has none. Raises InputError."""
    read = next((read for is_it, read in _READERS if is_it(text)), None)
    if read is None:
        return None
    drafts = list(islice(read(text, name), MOST_CUES + 1))
    for draft in drafts:
        if len(draft.text) > LONGEST_TEXT:
            raise draft.place.wrong(
                f"a cue of {len(draft.text)} characters, and one has at most {LONGEST_TEXT}",
                "break it up into several, each with its time",
            )
    return _some(settled(drafts), len(drafts), name)


def _by_the_sound(
    text: str, name: str, heard: AudioClip, drive: AudioClip | None, control: RunControl
) -> tuple[Cue, ...]:
    """Lines are those of the whole sound file, whatever part of it is shown."""
    lines = lines_of(text)
    _some(lines, len(lines), name)
    sound = _voice(heard, drive)
    later = heard.start - sound.start if sound is drive else Fraction(0)
    try:
        cues = aligned(lines, sound, control) if sound.has_sound else spread(lines, sound, control)
    except NotFound as why:
        cues = spread(lines, sound, control)
        control.emit(
            Notice(
                f"{name} has no times: its lines are spread over what sounds, by their letters, "
                f"and may be seconds off ({why})"
            )
        )
    return tuple(moved(cue, later) for cue in cues)


def _voice(heard: AudioClip, drive: AudioClip | None) -> AudioClip:
    """The sound that the words are looked for in: what drives the picture, a voice alone often,
    where it is as long as the file; else the file."""
    if not heard.has_sound:
        return heard
    whole = probe(heard.path, allow_truncated=heard.allow_truncated, track=heard.track).clip
    is_whole = heard.start == 0 and heard.sound_duration >= whole.duration
    if drive is not None and is_whole and not drive.parts:
        return drive
    return replace(whole, mix=heard.mix)


def _some(found: tuple[_T, ...], count: int, name: str) -> tuple[_T, ...]:
    if not found:
        raise InputError(f"there are no words in {name}", hint=HINT)
    if count > MOST_CUES:
        raise InputError(f"{name} has more than {MOST_CUES} lines", hint=HINT)
    return found
