"""What is said in a sound, with the times of its words, by `faster-whisper` and a model at hand.

The one recogniser. Its model is a folder as that package reads it; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from soundreel.audio.segment import read_clip
from soundreel.errors import EngineUnavailable, InputError, mention
from soundreel.events import RunControl
from soundreel.installation import install_command, require_package
from soundreel.options.texts import AUTO
from soundreel.types import AudioClip, Cue, Request, Word
from soundreel.words.reading.drafts import Draft, Place, settled
from soundreel.words.reading.plain import LONGEST_LINE

RATE = 16_000
_MODEL = "model.bin"
_BESIDE = ("config.json", "tokenizer.json")
"""Without the second the package would fetch it."""

_GAP_S = 1
"""A pause so long begins a new cue."""


def with_recogniser(request: Request, models_dir: Sequence[Path]) -> Request:
    """The request with the model that hears its captions, where they are to be heard. Raises
    EngineUnavailable where it, or the package, is not here."""
    if request.captions != AUTO:
        return request
    advice = f"or give the captions as a file: {mention(captions='said.srt')}"
    hint = f"{install_command('captions')}; {advice}"
    require_package("faster-whisper", mention(captions=AUTO), hint)
    found = (path for folder in models_dir for path in _candidates(folder))
    model = request.recogniser or next(filter(_is_model, found), None)
    if model is None or not _is_model(model):
        missing = f"{model} is none" if model else "none is in a models folder"
        raise EngineUnavailable(
            f"{mention(captions=AUTO)} needs a model of Whisper as faster-whisper reads it: "
            f"{missing}",
            hint="put the folder of one into a models folder, such as "
            f"huggingface.co/Systran/faster-whisper-small, or name its {_MODEL}, "
            f"{mention('recogniser')}; {advice}",
        )
    return replace(request, recogniser=model)


def _candidates(folder: Path) -> list[Path]:
    try:
        return [folder / _MODEL, *sorted(folder.glob(f"*/{_MODEL}"))]
    except OSError:
        return []


def _is_model(path: Path) -> bool:
    """Of Whisper, with all that the package reads; alignment heads tell where words are."""
    if not path.is_file() or not all((path.parent / name).is_file() for name in _BESIDE):
        return False
    try:
        config = json.loads((path.parent / _BESIDE[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "alignment_heads" in config


def recognised(sound: AudioClip, model: Path, control: RunControl) -> tuple[Cue, ...]:
    """In seconds of the sound's own file. Raises InputError where nobody is heard, or the model
    cannot be read."""
    from faster_whisper import WhisperModel

    place = Place(sound.path.name, 0)
    with control.stage("hear the words"):
        samples = read_clip(sound, rate=RATE, mono=True, control=control)[0]
        try:
            whisper = WhisperModel(
                str(model.parent), device="cpu", compute_type="int8", local_files_only=True
            )
            segments, _ = whisper.transcribe(samples, word_timestamps=True, temperature=0.0)
            words = list(_words(segments, sound.start, control))
        except (RuntimeError, ValueError, OSError) as err:
            raise InputError(
                f"the model {model} cannot be used: {err}", hint="download it anew"
            ) from err
    cues = settled(
        Draft(line[0].start, line[-1].end, "".join(word.text for word in line), place, line)
        for line in _lines(words)
    )
    if not cues:
        raise InputError(
            f"nobody is heard to speak in {sound.path.name}",
            hint=f"leave {mention('captions')} out, or give them as a file",
        )
    return cues


def _words(segments: Any, start: Fraction, control: RunControl) -> Iterator[Word]:
    """A word comes with the blank before it; that of the first one after a cue is left to it."""
    latest = start
    for segment in segments:
        control.raise_if_cancelled()
        for word in segment.words or ():
            begin, end = (start + Fraction(round(at * 100), 100) for at in (word.start, word.end))
            latest = max(latest, begin)
            yield Word(str(word.word), latest, max(latest, end))


def _lines(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """No longer than a cue of plain text, and without long pauses inside."""
    line: list[Word] = []
    for word in words:
        length = sum(len(each.text) for each in line) + len(word.text)
        if line and (length > LONGEST_LINE or word.start - line[-1].end >= _GAP_S):
            yield _spaced(line)
            line = []
        line.append(word)
    if line:
        yield _spaced(line)


def _spaced(line: Sequence[Word]) -> tuple[Word, ...]:
    """With the blanks after the words."""
    blanks = [" " if word.text.startswith(" ") else "" for word in line[1:]]
    return tuple(
        replace(word, text=word.text.strip() + blank)
        for word, blank in zip(line, [*blanks, ""], strict=True)
    )
