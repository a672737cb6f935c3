"""GIF: one palette for all pictures, times in hundredths of a second, tags as comments.

The blocks are those of the GIF89a specification (CompuServe, 1990).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from soundreel.events import RunControl
from soundreel.media import marks
from soundreel.types import Rgb
from soundreel.video.animated.strip import Strip, delay, stamp

TICK = Fraction(1, 100)

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_DITHER = "dither=bayer:bayer_scale=3"
"""A pattern that stands still, a third of the time of a diffused one, which crawls; smaller too."""

_MOST_COMMENT = 64 << 20


def write(output: Path, strip: Strip, tags: Mapping[str, str], control: RunControl) -> None:
    """Two passes over the pictures: one for the palette, one to draw. Plays for ever."""
    palette = _palette(strip, control)
    with TemporaryFile(dir=output.parent) as drawn:
        _draw(drawn, strip, palette, control)
        drawn.seek(0)
        with output.open("wb") as file:
            file.write(_read_header(drawn))
            for key, value in tags.items():
                file.write(bytes((_EXTENSION, _COMMENT)) + _blocks(f"{key}={value}".encode()))
            if marks.TAG in tags:
                file.write(_xmp(marks.packet(tags[marks.TAG])))
            shutil.copyfileobj(drawn, file)


def read_comments(path: Path) -> dict[str, str]:
    """The comments that we wrote; {} where the file is no GIF, or damaged. Raises OSError."""
    tags: dict[str, str] = {}
    with path.open("rb") as file, suppress(EOFError):
        for kind, content in blocks(file, comments=True):
            key, equals, value = content.decode("utf-8", "replace").partition("=")
            if kind == "comment" and equals:
                tags[key] = value
    return tags


def blocks(file: BinaryIO, *, comments: bool = False) -> Iterator[tuple[str, bytes]]:
    """What the file is made of, in order: ("control", four bytes), ("image", size as four bytes),
    ("comment", text, if asked for), ("end", nothing). Raises EOFError where it is no whole GIF."""
    _read_header(file)
    while (kind := _take(file, 1)[0]) != _TRAILER:
        if kind == _IMAGE:
            place = _take(file, 9)
            _take(file, _palette_bytes(place[8]) + 1)
            yield "image", place[4:8]
            _content(file, 0)
        elif kind == _EXTENSION:
            label = _take(file, 1)[0]
            wanted = {_CONTROL: 4, _COMMENT: _MOST_COMMENT if comments else 0}.get(label, 0)
            content = _content(file, wanted)
            if wanted:
                yield "control" if label == _CONTROL else "comment", content
        else:
            raise EOFError
    yield "end", b""


def _palette(strip: Strip, control: RunControl) -> VideoFrame:
    graph = Graph()
    source, maker, sink = (
        _source(graph, strip.size),
        graph.add("palettegen"),
        graph.add("buffersink"),
    )
    source.link_to(maker)
    maker.link_to(sink)
    graph.configure()
    for index, picture in enumerate(strip.pictures()):
        control.raise_if_cancelled()
        source.push(_frame(picture, index))
    source.push(None)
    return _video(sink.pull())


def _draw(file: BinaryIO, strip: Strip, palette: VideoFrame, control: RunControl) -> None:
    graph = Graph()
    source, colours = _source(graph, strip.size), _source(graph, (palette.width, palette.height))
    painter, sink = graph.add("paletteuse", _DITHER), graph.add("buffersink")
    source.link_to(painter, 0, 0)
    colours.link_to(painter, 0, 1)
    painter.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, TICK
    colours.push(palette)
    colours.push(None)
    with _Writer(file, strip) as writer:
        for index, picture in enumerate(strip.pictures()):
            control.raise_if_cancelled()
            source.push(_frame(picture, index))
            writer.write_all(sink)
        source.push(None)
        writer.write_all(sink)


class _Writer:
    """Encodes pictures of 256 colours, each on its tick."""

    def __init__(self, file: BinaryIO, strip: Strip) -> None:
        self._fps = strip.fps
        self._drawn = 0
        self._held: VideoFrame | None = None
        self._container = av.open(file, "w", format="gif", options={"fflags": "+bitexact"})
        stream = self._container.add_stream("gif", rate=round(1 / TICK))
        assert isinstance(stream, VideoStream)
        self._stream = stream
        stream.width, stream.height = strip.size
        stream.pix_fmt = "pal8"
        stream.codec_context.time_base = TICK

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def write_all(self, sink: FilterContext) -> None:
        """What the painter has ready."""
        while True:
            try:
                frame = _video(sink.pull())
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts, frame.time_base = stamp(self._drawn, self._fps, TICK), TICK
            for packet in self._stream.encode(frame):
                packet.duration = delay(self._drawn, self._fps, TICK)
                self._container.mux(packet)
            self._drawn += 1


def _source(graph: Graph, size: tuple[int, int]) -> FilterContext:
    width, height = size
    return graph.add(
        "buffer", f"video_size={width}x{height}:pix_fmt=bgra:time_base={TICK}:pixel_aspect=1/1"
    )


def _frame(picture: Rgb, index: int) -> VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgra")
    frame.pts, frame.time_base = index, TICK
    return frame


def _video(frame: object) -> VideoFrame:
    assert isinstance(frame, VideoFrame)
    return frame


def _read_header(file: BinaryIO) -> bytes:
    """Signature, screen, and the palette of all pictures."""
    head = _take(file, 13)
    if head[:3] != b"GIF":
        raise EOFError
    return head + _take(file, _palette_bytes(head[10]))


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _content(file: BinaryIO, wanted: int) -> bytes:
    """The sub-blocks up to the empty one that ends them; of more than `wanted` bytes the first."""
    parts, found = [], 0
    while size := _take(file, 1)[0]:
        if found < wanted:
            parts.append(_take(file, size))
            found += size
        else:
            file.seek(size, os.SEEK_CUR)
    return b"".join(parts)[:wanted]


def _blocks(content: bytes) -> bytes:
    parts = (content[at : at + 255] for at in range(0, len(content), 255))
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def _xmp(packet: bytes) -> bytes:
    """An application extension with the packet as it is; whoever reads it as sub-blocks lands, by
    the bytes behind it, at its end (Adobe's XMP Specification Part 3, GIF)."""
    landing = bytes((1, *range(0xFF, -1, -1), 0))
    return bytes((_EXTENSION, _APPLICATION, 11)) + b"XMP DataXMP" + packet + landing


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data
