"""A file of lyrics or captions, whatever its format: told by what stands in it, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from soundreel.directing.text_file import read_text
from soundreel.errors import InputError
from soundreel.types.words import Cue
from soundreel.words.reading import ass, lrc, subtitles
from soundreel.words.reading.drafts import LONGEST_TEXT, Draft, settled

HINT = "give lyrics or captions as .lrc, .srt, .vtt, .ass, or as plain text"
MOST_BYTES = 4 << 20
MOST_CUES = 20_000

_READERS: tuple[tuple[Callable[[str], bool], Callable[[str, str], Iterator[Draft]]], ...] = (
    (subtitles.is_vtt, subtitles.read_vtt),
    (ass.is_ass, ass.read),
    (subtitles.is_srt, subtitles.read_srt),
    (lrc.is_lrc, lrc.read),
)


def read_cues(path: Path) -> tuple[Cue, ...]:
    """What a file with times shows, on the clock of the sound file; see `drafts.settled`.

    Raises InputError naming the line, what stands there and what to do.
    """
    text = read_text(path, "lyrics", MOST_BYTES, HINT)
    read = next((read for is_it, read in _READERS if is_it(text)), None)
    if read is None:
        raise InputError(f"{path}: there is no time in it", hint=HINT)
    drafts = list(islice(read(text, path.name), MOST_CUES + 1))
    if len(drafts) > MOST_CUES:
        raise InputError(f"{path.name} holds more than {MOST_CUES} cues", hint=HINT)
    for draft in drafts:
        if len(draft.text) > LONGEST_TEXT:
            raise draft.place.wrong(
                f"a cue of {len(draft.text)} characters, and one has at most {LONGEST_TEXT}",
                "break it up into several, each with its time",
            )
    cues = settled(drafts)
    if not cues:
        raise InputError(f"{path.name}: there are no words in it", hint=HINT)
    return cues
