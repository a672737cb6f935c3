"""Pictures into video: one closed-GOP piece of the final encoding at a time."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from soundreel.errors import InputError, WorkError, mention
from soundreel.media.alpha import straight
from soundreel.media.container import url
from soundreel.types import Encoding, Rgb
from soundreel.video.encoders import Encoder, encoder_for, is_exact
from soundreel.video.storage import discard, writing
from soundreel.work.files import create, sync

_SVT_ERRORS = "1"
"""SVT-AV1 writes to stderr by itself, past FFmpeg's log; this variable is all that it heeds."""

_BT709 = 1
"""BT.709 in FFmpeg's enumerations of primaries, transfer and matrix (ITU-T H.273), and in
swscale's of matrices. The tags alone are not enough: by default pixels are converted by BT.601."""

_LIMITED_RANGE = 1
"""16..235, AVCOL_RANGE_MPEG."""


def encoder_identity(encoding: Encoding) -> str:
    """What decides the bytes besides pictures and Encoding: for the digest of a job."""
    versions = (f"{name} {'.'.join(map(str, number))}" for name, number in _libraries())
    return f"PyAV {av.__version__}, {', '.join(versions)}, {encoder_for(encoding).identity}"


class SegmentWriter:
    """Writes one piece: closed GOPs that `mux.finish` joins without encoding again.

    The same pictures give the same bytes. A piece that an exception cuts short is removed.
    Raises WorkError where the disk refuses.
    """

    def __init__(
        self, path: Path, width: int, height: int, fps: Fraction, encoding: Encoding
    ) -> None:
        self.path = path
        self.num_frames = 0
        self._encoder = encoder_for(encoding)
        self._size = (height, width, 4 if encoding.alpha else 3)
        self._time_base = 1 / fps
        self._num_packets = 0
        self._converter = VideoReformatter()
        os.environ.setdefault("SVT_LOG", _SVT_ERRORS)
        with writing(path):
            create(path)
            self._container = open_piece(path, self._encoder, fps)
            stream = self._container.add_stream(
                self._encoder.name, rate=fps, options=self._encoder.options(encoding)
            )
            assert isinstance(stream, VideoStream)
            self._stream = stream
            _configure(self._stream, self._encoder, width, height, fps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._close()
        except BaseException:
            self._abandon()
            raise

    def write(self, rgb: Rgb) -> None:
        """Encode the next picture: of an overlay premultiplied, as all pictures with alpha here."""
        if rgb.shape != self._size or rgb.dtype != np.uint8:
            raise ValueError(f"picture {rgb.shape} {rgb.dtype}, want {self._size} uint8")
        frame = self._converter.reformat(
            _as_frame(rgb),
            format=self._encoder.pixels,
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED_RANGE,
        )
        frame.pts, frame.time_base = self.num_frames, self._time_base
        if self._encoder.codec == "prores":  # which tells each picture's colours beside it
            frame.color_primaries = frame.color_trc = _BT709
        with writing(self.path):
            self._encode(frame)
        self.num_frames += 1

    def _encode(self, frame: VideoFrame | None) -> None:
        """Decoding times are counted here: of pieces of one or two pictures x264 says others, and
        x265 whatever lies in memory."""
        for packet in self._stream.encode(frame):
            packet.dts = self._num_packets - self._encoder.decode_delay
            packet.time_base = self._time_base
            self._num_packets += 1
            self._container.mux(packet)

    def _close(self) -> None:
        if self.num_frames == 0:
            raise WorkError(
                f"no picture was made for {self.path.name}", hint="report this: an engine gave none"
            )
        with writing(self.path):
            self._encode(None)
            self._container.close()
            sync(self.path)

    def _abandon(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        discard(self.path)


def require_encoder(encoding: Encoding, width: int, height: int) -> None:
    """Raises InputError where the card, its driver or this FFmpeg cannot encode so: one picture is
    tried. Those of the CPU are always there."""
    if is_exact(encoding):
        return
    try:
        with tempfile.TemporaryDirectory(prefix="soundreel-") as folder:
            path = Path(folder) / "trial.mp4"
            with SegmentWriter(path, width, height, Fraction(16), encoding) as writer:
                writer.write(np.zeros((height, width, 3), np.uint8))
    except (WorkError, ValueError, av.FFmpegError) as err:
        name = encoder_for(encoding).name
        raise InputError.about(
            {"encoding.encoder": encoding.encoder},
            f"{name} does not work here at {width}x{height}: the card, its driver or this FFmpeg "
            "lacks it",
            hint=f"leave it out: the CPU encodes everywhere; or another {mention('codec')}",
        ) from err


def open_piece(path: Path, encoder: Encoder, fps: Fraction) -> OutputContainer:
    """A new file for packets of that encoder."""
    options = {"fflags": "+bitexact"}
    if encoder.pieces != "webm":  # how exactly an edit list can say the length
        options["movie_timescale"] = str(fps.numerator)
    return av.open(url(path), "w", format=encoder.pieces, options=options)


def _as_frame(picture: Rgb) -> VideoFrame:
    if picture.shape[2] == 4:
        return av.VideoFrame.from_ndarray(straight(picture), format="rgba")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def _configure(
    stream: VideoStream, encoder: Encoder, width: int, height: int, fps: Fraction
) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, encoder.pixels
    context: VideoCodecContext = stream.codec_context
    context.time_base = 1 / fps
    if encoder.threads:
        context.thread_type, context.thread_count = "FRAME", encoder.threads
    if encoder.tag:
        context.codec_tag = encoder.tag
    context.color_range = _LIMITED_RANGE
    context.colorspace = context.color_primaries = context.color_trc = _BT709


def _libraries() -> list[tuple[str, tuple[int, int, int]]]:
    wanted = ("libavcodec", "libavformat", "libswscale")
    return [(name, av.library_versions[name]) for name in wanted]
