"""What a finished file says and shows before it plays: the sound's title, artist and date, and a
picture; and the thumbnail beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

from soundreel.errors import InputError, WorkError, mention
from soundreel.media.container import open_media
from soundreel.media.cover import attached_picture, load_cover
from soundreel.media.jpeg import is_jpeg, jpeg_bytes
from soundreel.timeline.pieces import pieces_of
from soundreel.types import Plan, Rgb
from soundreel.video.containers import container_of
from soundreel.video.labels.boxes import add_label
from soundreel.video.labels.words import read_words
from soundreel.video.reader import read_frames, read_tags
from soundreel.video.storage import writing
from soundreel.work.files import sync
from soundreel.work.job import Job

POSTER_SIDE = 1000
THUMBNAIL_SIDE = 1280

_LIVELY = Fraction(1, 3)
"""Of the clip: where a thumbnail is taken if nobody says where. The first picture shows little."""


@dataclass(frozen=True, slots=True)
class Label:
    """words: "title", "artist", "date", those that there are. jpeg: the picture."""

    words: Mapping[str, str] = field(default_factory=dict)
    jpeg: bytes | None = None


def label_of(plan: Plan, job: Job) -> Label:
    """What the file of this plan is to be called and to show; nothing where its container has no
    place for it. The pieces are finished."""
    container = container_of(plan.request.encoding)
    sound = plan.request.sound
    words = {} if sound is None or container.silent else read_words(sound)
    return Label(words, _poster(plan, job) if container.shows_poster else None)


def tags_of(label: Label, plan: Plan) -> Mapping[str, str]:
    """Those that go among the container's free tags."""
    return {} if container_of(plan.request.encoding).shows_poster else label.words


def write_label(path: Path, label: Label, plan: Plan) -> None:
    """Where its container has a place for it. Raises WorkError."""
    if container_of(plan.request.encoding).shows_poster:
        add_to_file(path, label)


def add_to_file(path: Path, label: Label) -> None:
    """Into a finished MP4 or MOV; read back. Raises WorkError."""
    if not (label.words or label.jpeg):
        return
    with writing(path):
        add_label(path, label.words, label.jpeg)
        sync(path)
    tags = read_tags(path)
    wrong = [name for name, text in label.words.items() if tags.get(name) != text]
    with open_media(path, WorkError) as container:
        if attached_picture(container) != label.jpeg:
            wrong.append("picture")
    if wrong:
        raise WorkError(
            f"{path.name} did not come out right: its {wrong[0]} is not what was written"
        )


def label_in(path: Path) -> Label:
    """What another file is called and shows, as far as an MP4 can take it over."""
    with open_media(path) as container:
        picture = attached_picture(container)
    return Label(read_words(path), picture if is_jpeg(picture or b"") else None)


def thumbnail(plan: Plan, job: Job) -> bytes:
    """The picture at the poster's time, as JPEG; where none is named, at a third of the clip."""
    poster = plan.request.poster
    time = poster if isinstance(poster, Fraction) else plan.audio.duration * _LIVELY
    return jpeg_bytes(_picture_at(plan, job, time), THUMBNAIL_SIDE)


def require_poster(plan: Plan) -> None:
    """Raises InputError where the poster's time lies beyond the end."""
    poster, end = plan.request.poster, plan.output_frames / plan.output_fps
    if isinstance(poster, Fraction) and poster >= end:
        raise InputError.about(
            {"poster": poster},
            f"the video is {float(end):.4g} s long",
            hint=f"give an earlier time, or {mention(poster='none')}",
        )


def _poster(plan: Plan, job: Job) -> bytes | None:
    poster = plan.request.poster
    if isinstance(poster, Fraction):
        return jpeg_bytes(_picture_at(plan, job, poster), POSTER_SIDE)
    cover = _cover(plan.request.sound) if poster == "auto" else None
    return None if cover is None else jpeg_bytes(cover, POSTER_SIDE)


def _cover(audio: Path | None) -> Rgb | None:
    try:
        return load_cover(audio)
    except InputError:
        return None


def _picture_at(plan: Plan, job: Job, time: Fraction) -> Rgb:
    """The picture that is seen at that second of the video."""
    index = min(int(time * plan.output_fps), plan.output_frames - 1)
    for piece in pieces_of(plan):
        if index in piece.frames:
            pictures = read_frames(job.piece(piece.index))
            return next(islice(pictures, index - piece.frames.start, None))
    raise AssertionError("every picture lies in a piece")
