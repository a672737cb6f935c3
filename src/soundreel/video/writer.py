"""Pictures into H.264: one closed-GOP piece of the final encoding at a time."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from soundreel.errors import WorkError
from soundreel.media.container import url
from soundreel.types import Encoding, Rgb
from soundreel.video.storage import discard, writing
from soundreel.work.files import create, sync

_THREADS = 4
"""Fixed, since x264's bytes follow the thread count: they must not follow the machine's cores."""

_X264_PARAMS = "cpu-independent=1"
"""Without it x264 gives other bytes from run to run, even on one thread."""

_BT709 = 1
"""BT.709 in FFmpeg's enumerations of primaries, transfer and matrix (ITU-T H.273), and in
swscale's of matrices. The tags alone are not enough: by default pixels are converted by BT.601."""

_LIMITED_RANGE = 1
"""16..235, AVCOL_RANGE_MPEG."""


def encoder_identity() -> str:
    """What decides the bytes besides pictures and Encoding: for the digest of a job."""
    versions = (f"{name} {'.'.join(map(str, number))}" for name, number in _libraries())
    return (
        f"PyAV {av.__version__}, {', '.join(versions)}, libx264 {_X264_PARAMS} threads={_THREADS}"
    )


class SegmentWriter:
    """Writes one piece: an MP4 of closed GOPs that `mux.finish` joins without encoding again.

    The same pictures give the same bytes. A piece that an exception cuts short is removed.
    Raises WorkError where the disk refuses.
    """

    def __init__(
        self, path: Path, width: int, height: int, fps: Fraction, encoding: Encoding
    ) -> None:
        self.path = path
        self.num_frames = 0
        self._size = (height, width, 3)
        self._time_base = 1 / fps
        self._converter = VideoReformatter()
        with writing(path):
            create(path)
            self._container = av.open(url(path), "w", format="mp4", options=_container(fps))
            self._stream = self._container.add_stream("libx264", rate=fps, options=_x264(encoding))
            _configure(self._stream, width, height, fps)

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
        """Encode the next picture."""
        if rgb.shape != self._size or rgb.dtype != np.uint8:
            raise ValueError(f"picture {rgb.shape} {rgb.dtype}, want {self._size} uint8")
        frame = self._converter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED_RANGE,
        )
        frame.pts, frame.time_base = self.num_frames, self._time_base
        with writing(self.path):
            self._container.mux(self._stream.encode(frame))
        self.num_frames += 1

    def _close(self) -> None:
        if self.num_frames == 0:
            raise WorkError(
                f"no picture was made for {self.path.name}", hint="report this: an engine gave none"
            )
        with writing(self.path):
            self._container.mux(self._stream.encode(None))
            self._container.close()
            sync(self.path)

    def _abandon(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        discard(self.path)


def _container(fps: Fraction) -> dict[str, str]:
    # The movie timescale decides how exactly an edit list can say the length.
    return {"fflags": "+bitexact", "movie_timescale": str(fps.numerator)}


def _x264(encoding: Encoding) -> dict[str, str]:
    return {
        "preset": encoding.preset,
        "crf": str(encoding.crf),
        "x264-params": _X264_PARAMS,
    }


def _configure(stream: VideoStream, width: int, height: int, fps: Fraction) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context: VideoCodecContext = stream.codec_context
    context.time_base = 1 / fps
    context.thread_type, context.thread_count = "FRAME", _THREADS
    context.color_range = _LIMITED_RANGE
    context.colorspace = context.color_primaries = context.color_trc = _BT709


def _libraries() -> list[tuple[str, tuple[int, int, int]]]:
    wanted = ("libavcodec", "libavformat", "libswscale")
    return [(name, av.library_versions[name]) for name in wanted]
