"""The same shot twice, side by side: as a sheet of pictures, or as a video with the first one's
sound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from soundreel.errors import InputError
from soundreel.events import FrameDone, RunControl
from soundreel.finished.inspection import FileFacts, probe
from soundreel.media import marks
from soundreel.options.given import AnyPath
from soundreel.options.table import read_field
from soundreel.output import Target, check_target, placed
from soundreel.timeline.grid import frame_time
from soundreel.types import AudioClip, Encoding, Rgb
from soundreel.video import mux
from soundreel.video.encoders import settled
from soundreel.video.reader import VideoInfo, read_shown
from soundreel.video.writer import SegmentWriter

GROUND, INK, FAINT = (16, 18, 24), (226, 230, 238), (120, 128, 144)
GAP, CAPTION = 8, 40
"""Pixels between the two, and of the words above them."""

TALLEST = 720
"""Of a video side by side: two of them still fit a screen."""

COLUMNS, CELL_WIDE, CELL_TALL, FOOT = 8, 220, 320, 34
"""Pictures of a sheet, the most that each may have, and the strip of times below them."""

_NO_RATE = 48000

_ORIGINS = (marks.TRAINED, marks.COMPOSITE, marks.ALGORITHMIC)
"""Of two origins the one named first is that of both together."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its file, its pictures, and what is written above it."""

    facts: FileFacts
    picture: VideoInfo
    title: str
    words: str

    @property
    def duration(self) -> Fraction:
        return self.picture.duration

    @property
    def shape(self) -> Fraction:
        """Width to height."""
        return Fraction(self.picture.width, self.picture.height)


def sheet(one: AnyPath, other: AnyPath, control: RunControl | None = None) -> Image.Image:
    """An RGB picture: the two in two rows, at the same moments. Raises InputError."""
    control, sides = control or RunControl(), [_side(one), _side(other)]
    length = min(side.duration for side in sides)
    moments = [length * (2 * k + 1) / (2 * COLUMNS) for k in range(COLUMNS)]
    cells = [_cell(side, min(CELL_TALL, int(CELL_WIDE / side.shape))) for side in sides]
    across = GAP + max(width for width, _ in cells)
    height = sum(tall + CAPTION for _, tall in cells)
    image = Image.new("RGB", (COLUMNS * across + GAP, height + FOOT), GROUND)
    pen, top = ImageDraw.Draw(image), 0
    for side, cell in zip(sides, cells, strict=True):
        _write_caption(pen, side, GAP, top)
        for column, picture in enumerate(_shown_at(side, moments, cell, control)):
            image.paste(Image.fromarray(picture), (GAP + column * across, top + CAPTION))
        top += cell[1] + CAPTION
    for column, moment in enumerate(moments):
        at = (GAP + column * across, height + 8)
        pen.text(at, f"{float(moment):.2f} s", FAINT, ImageFont.load_default(16))
    return image


def side_by_side(
    one: AnyPath,
    other: AnyPath,
    output: AnyPath,
    *,
    control: RunControl | None = None,
    overwrite: bool = False,
) -> Path:
    """A video of both, as long as the shorter one, at the higher rate, with the sound of the first
    that has any. output: an MP4. Raises InputError, or WorkError where the disk refuses."""
    control, sides = control or RunControl(), [_side(one), _side(other)]
    path = read_field("output", output)
    assert isinstance(path, Path)
    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path} is no MP4", hint="give a name that ends in .mp4, or in .png")
    target = Target(path.absolute(), "compare")
    check_target(target, [side.facts.path for side in sides], overwrite=overwrite)
    fps = max(side.picture.fps for side in sides).limit_denominator(1001)
    count = max(1, int(min(side.duration for side in sides) * fps))
    tall = min(TALLEST, *(side.picture.height for side in sides)) // 2 * 2
    encoding = settled(Encoding())
    with tempfile.TemporaryDirectory(dir=target.path.parent, prefix=".soundreel-") as folder:
        piece = Path(folder) / "piece.mp4"
        _write_piece(piece, sides, fps, count, tall, encoding, control)
        tags = {marks.TAG: marks.SCHEME + _origin(sides)}
        with placed(target, overwrite=overwrite) as temporary:
            mux.finish([piece], _sound(sides, fps, count), temporary, fps, tags, control, encoding)
    return target.path


def _side(video: AnyPath) -> Side:
    path = read_field("audio", video)
    assert isinstance(path, Path)
    facts = probe(path)
    if facts.picture is None:
        raise InputError(f"{path.name} has no pictures to compare", hint="give two videos")
    return Side(facts, facts.picture, path.name, _words(facts.picture, facts.record))


def _words(picture: VideoInfo, record: Mapping[str, Any] | None) -> str:
    size = f"{picture.width}x{picture.height}, {float(picture.fps):g} a second"
    if record is None:
        return size
    seed = record.get("seed")
    engine = f"engine {record['engine'].get('name', 'unknown')}"
    return f"{engine}, seed {seed}, {size}" if seed is not None else f"{engine}, {size}"


def _write_piece(
    piece: Path,
    sides: list[Side],
    fps: Fraction,
    count: int,
    tall: int,
    encoding: Encoding,
    control: RunControl,
) -> None:
    cells = [_cell(side, tall) for side in sides]
    head = _head(sides, cells)
    moments = [frame_time(k, fps) for k in range(count)]
    streams = [
        _shown_at(side, moments, cell, control) for side, cell in zip(sides, cells, strict=True)
    ]
    gap = np.full((tall, GAP, 3), GROUND, np.uint8)
    with SegmentWriter(piece, head.shape[1], head.shape[0] + tall, fps, encoding) as writer:
        for done, (left, right) in enumerate(zip(*streams, strict=True), 1):
            writer.write(np.concatenate([head, np.concatenate([left, gap, right], axis=1)]))
            control.emit(FrameDone(done, count))


def _head(sides: list[Side], cells: list[tuple[int, int]]) -> Rgb:
    """The words above the pictures, each above its own."""
    width = sum(cell[0] for cell in cells) + GAP
    image = Image.new("RGB", (width, CAPTION), GROUND)
    left = 0
    for side, (across, _) in zip(sides, cells, strict=True):
        part = Image.new("RGB", (across, CAPTION), GROUND)
        _write_caption(ImageDraw.Draw(part), side, 4, 0)
        image.paste(part, (left, 0))
        left += across + GAP
    return np.asarray(image)


def _write_caption(pen: ImageDraw.ImageDraw, side: Side, left: int, top: int) -> None:
    pen.text((left, top + 3), side.title, INK, ImageFont.load_default(16))
    pen.text((left, top + 22), side.words, FAINT, ImageFont.load_default(13))


def _cell(side: Side, tall: int) -> tuple[int, int]:
    """Even width and height of its pictures there."""
    return max(2, round(side.shape * tall / 2) * 2), tall


def _shown_at(
    side: Side, moments: list[Fraction], cell: tuple[int, int], control: RunControl
) -> Iterator[Rgb]:
    """What is seen at each of the moments, in their order."""
    pictures = read_shown(side.facts.path, max(cell) * 2)
    begin, current = next(pictures)
    following = next(pictures, None)
    for moment in moments:
        control.raise_if_cancelled()
        while following is not None and following[0] - begin <= moment:
            current, following = following[1], next(pictures, None)
        yield np.asarray(cv2.resize(current, cell, interpolation=cv2.INTER_AREA), np.uint8)


def _sound(sides: list[Side], fps: Fraction, count: int) -> AudioClip:
    """Of the first that has any, as long as the pictures; else none."""
    length = frame_time(count, fps)
    for side in sides:
        if (sound := side.facts.sound) is not None:
            heard = min(length, sound.duration)
            return replace(sound.clip, duration=length, sound_duration=heard)
    return AudioClip(sides[0].facts.path, Fraction(0), length, Fraction(0), _NO_RATE, 0)


def _origin(sides: list[Side]) -> str:
    """Where the pictures come from, if the records say it."""
    found = [str((side.facts.record or {}).get("source_type", "")) for side in sides]
    return next((origin for origin in _ORIGINS if origin in found), marks.COMPOSITE)
