"""What a plan writes into its pictures: files read, fonts chosen, before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.options.texts import TAGS
from soundreel.types import Plan, Request
from soundreel.types.words import Cue, Words
from soundreel.video.labels.words import read_words
from soundreel.words.card import card_sheets
from soundreel.words.letters.fonts import choose_fonts
from soundreel.words.letters.sfnt import read_face
from soundreel.words.letters.shaping import Shaper, require_shaping
from soundreel.words.letters.text import cleaned
from soundreel.words.reading.drafts import moved
from soundreel.words.reading.files import read_cues
from soundreel.words.reading.noted import kept
from soundreel.words.reading.recognise import recognised
from soundreel.work.job import Fixed


def words_of(
    plan: Plan, control: RunControl, on_card: bool = False, fixed: Fixed | None = None
) -> Words | None:
    """None where nothing is to be written or laid over the pictures. on_card: the engine writes
    title and artist, those of the sound file too, and the names of who speaks. fixed: where what is
    found in the sound is kept; None where nothing is rendered. Raises InputError."""
    request = plan.request
    if request.lyrics is not None and request.captions is not None:
        raise InputError.about(
            {"captions": request.captions},
            f"the words are shown once, and {mention('lyrics')} shows them already",
            hint="give one of them",
        )
    given = request.lyrics or request.captions
    if given is None and request.lyrics_mode == "soft":
        raise InputError.about(
            {"lyrics_mode": "soft"},
            "there are no words for a track of subtitles",
            hint=f"give a file of them: {mention('lyrics')}",
        )
    cues = _cues(plan, given, control, fixed)
    track: tuple[Cue, ...] = ()
    if request.lyrics_mode == "soft":
        cues, track = (), cues
    title, artist = _said(request, "title"), _said(request, "artist")
    speakers: Sequence[str] = ()
    if on_card:
        title, artist = (
            said or _own(request, name, control)
            for name, said in (("title", title), ("artist", artist))
        )
        speakers = [shot.speaker for shot in request.shot_list if shot.speaker]
    if not (cues or track or title or artist or speakers or request.artwork or request.logo):
        return None
    texts = [cleaned(text) for text in (title, artist, *speakers, *(cue.text for cue in cues))]
    for text in texts:
        require_shaping(text)
    fonts = choose_fonts(texts, request.font) if any(texts) else ()
    if cues:
        names = ", ".join(dict.fromkeys(read_face(font).family for font in fonts))
        control.emit(Notice(f"lines of words: {len(cues)}, in {names}"))
    if track:
        control.emit(Notice(f"lines of words: {len(track)}, as a track of subtitles"))
    words = Words(cues, request.captions is not None, title, artist, fonts, track, on_card)
    card_sheets(words, request, Shaper(fonts))  # what cannot be read or has no room is told now
    return words


def _own(request: Request, name: str, control: RunControl) -> str:
    """What the sound file says, unasked: "" where it does not, or cannot be written here."""
    text = cleaned(read_words(request.sound).get(name, "")) if request.sound else ""
    try:
        require_shaping(text)
        choose_fonts([text], request.font)
    except InputError as err:
        control.emit(Notice(f"the {name} inside the sound is left out: {err.message}"))
        return ""
    return text


def _cues(
    plan: Plan, given: Path | str | None, control: RunControl, fixed: Fixed | None
) -> tuple[Cue, ...]:
    """Of a file, or those that are heard."""
    if isinstance(given, Path):
        return read_cues(given, plan.audio, plan.drive, control, fixed)
    if given is None or fixed is None:
        if given is not None:
            control.emit(Notice("the captions are heard when the video is made"))
        return ()
    sound, model = plan.drive or plan.audio, plan.request.recogniser
    assert model is not None, "with_recogniser comes first"
    found = kept(fixed, lambda: recognised(sound, model, control))
    return tuple(moved(cue, plan.audio.start - sound.start) for cue in found)


def _said(request: Request, name: str) -> str:
    """Title or artist; of the sound file's own. Raises InputError where that says nothing."""
    value = getattr(request, name) or ""
    if value != TAGS:
        return cleaned(value)
    found = {} if request.sound is None else read_words(request.sound)
    if name not in found:
        raise InputError.about(
            {name: value},
            f"{request.source.name} does not say it",
            hint=f"write it, or leave {mention(name)} out",
        )
    return cleaned(found[name])
