"""Pictures, pieces and finished files for the tests of video and post, made in code."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from media_factory import Samples, write_audio
from soundreel.events import Event, Notice, RunControl
from soundreel.timeline.grid import frame_time
from soundreel.types import AudioClip, Encoding, Rgb
from soundreel.video.writer import SegmentWriter

FAST = Encoding(crf=18, preset="ultrafast")
B_FRAMES = Encoding(crf=18, preset="veryfast")


def numbered(index: int, size: tuple[int, int] = (96, 64)) -> Rgb:
    """A picture that says its number: eight bits as black and white bars on a moving ramp."""
    width, height = size
    picture = np.empty((height, width, 3), np.uint8)
    ramp = (np.arange(width) * 2 + index * 5) % 256
    picture[:] = np.stack([ramp, 255 - ramp, np.full(width, 90)], axis=1)[None]
    for bit in range(8):
        left, right = bit * width // 8, (bit + 1) * width // 8
        picture[: height // 2, left:right] = 235 if index >> bit & 1 else 20
    return picture


def notices_into(said: list[Event]) -> RunControl:
    """A control whose sentences for the user are kept; how far the work is, is not."""

    def keep(event: Event) -> None:
        if isinstance(event, Notice):
            said.append(event)

    return RunControl(keep)


def number_of(picture: NDArray[np.uint8]) -> int:
    """What `numbered` was told, read from a decoded picture of any channel order."""
    height, width = picture.shape[:2]
    row = picture[: height // 2].mean(axis=(0, 2))
    middles = [(2 * bit + 1) * width // 16 for bit in range(8)]
    return sum(1 << bit for bit, x in enumerate(middles) if row[x] > 128)


def write_pieces(
    folder: Path,
    lengths: Sequence[int],
    fps: Fraction,
    encoding: Encoding = B_FRAMES,
    size: tuple[int, int] = (96, 64),
) -> list[Path]:
    """One piece for each length; the pictures are numbered through."""
    pieces, index = [], 0
    for number, length in enumerate(lengths):
        pieces.append(folder / f"piece{number}.mp4")
        with SegmentWriter(pieces[-1], *size, fps, encoding) as writer:
            for _ in range(length):
                writer.write(numbered(index, size))
                index += 1
    return pieces


def sound_clip(
    folder: Path, samples: Samples, rate: int, num_frames: int, fps: Fraction, name: str = "s.wav"
) -> AudioClip:
    """The samples (channels, n) as a file, and the clip of its first `num_frames` pictures."""
    path = write_audio(folder / name, samples, rate)
    duration = frame_time(num_frames, fps)
    return AudioClip(path, Fraction(0), duration, duration, rate, samples.shape[0])


def write_layout(path: Path, samples: Samples, layout: str) -> Path:
    """A file of samples (channels, n) at 44100 Hz that says where its channels stand."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("flac", rate=44100, layout=layout)
        packed = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def cv2_pictures(path: Path) -> list[NDArray[np.uint8]]:
    """All pictures (BGR) by a decoder that is not ours."""
    capture = cv2.VideoCapture(str(path))
    pictures: list[NDArray[np.uint8]] = []
    while True:
        more, picture = capture.read()
        if not more:
            capture.release()
            return pictures
        pictures.append(np.asarray(picture, np.uint8))


def texture(width: int, height: int, seed: int) -> Rgb:
    """Soft random colours with detail of several sizes: something a motion search can hold on."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for blur in (2, 6, 18):
        layer = cv2.GaussianBlur(
            random.standard_normal((height, width, 3), np.float32), (0, 0), blur
        )
        total += layer / layer.std()
    return np.clip(127 + 35 * total, 0, 255).astype(np.uint8)


def moving_scene(time: float, size: tuple[int, int] = (208, 304)) -> Rgb:
    """A panning background and a disc that turns and wanders in front of it, at any second."""
    width, height = size
    shift = np.array([[1, 0, -30 - 40 * time], [0, 1, -20 - 15 * np.sin(2 * time)]], np.float32)
    back = cv2.warpAffine(_BACK, shift, size, flags=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((100, 100), 20 * time, 0.6)
    turn[:, 2] += (
        width / 2 - 100 + 40 * np.sin(2.1 * time),
        height / 2 - 100 + 50 * np.cos(1.7 * time),
    )
    front = cv2.warpAffine(_DISC, turn, size, flags=cv2.INTER_CUBIC)
    alpha = cv2.warpAffine(_ALPHA, turn, size)[..., None]
    return np.clip(back * (1 - alpha) + front * alpha, 0, 255).round().astype(np.uint8)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """In dB; 99 for equal pictures."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


_BACK = texture(420, 480, seed=1)
_DISC = texture(200, 200, seed=2)
_ALPHA = cv2.circle(np.zeros((200, 200), np.float32), (100, 100), 70, 1.0, -1, cv2.LINE_AA)
