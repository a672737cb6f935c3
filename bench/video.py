"""What writing, joining and interpolating cost at 832x1216, in CPU time of this process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from bench.sounds import RATE, write_wav
from soundreel.events import RunControl
from soundreel.post.interpolate import Interpolator
from soundreel.types import AudioClip, Encoding, Rgb
from soundreel.video import mux
from soundreel.video.writer import SegmentWriter

WIDTH, HEIGHT = 832, 1216
FPS = Fraction(16)
ENCODING = Encoding(crf=18, preset="veryfast")
COUNT = 32
JOINED_PIECES = 30


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        detailed = _bench_writing(Path(folder), "detailed", 1.5)
        _bench_writing(Path(folder), "smooth", 30.0)
        _bench_joining(Path(folder), detailed)
    _bench_interpolation()


def _bench_writing(folder: Path, name: str, blur: float) -> float:
    """CPU ms a picture."""
    pictures = [_scene(index / 16, blur) for index in range(COUNT)]
    ours = min(_cpu_ms(lambda: _write(folder / f"{name}.mp4", pictures)) for _ in range(2))
    alone = min(_cpu_ms(lambda: _encode_alone(folder / "alone.mp4", pictures)) for _ in range(2))
    print(
        f"writing, {name}: {ours / COUNT:.0f} ms a picture; PyAV with libx264 alone "
        f"{alone / COUNT:.0f} ms: {ours / alone:.2f}x"
    )
    return ours / COUNT


def _bench_joining(folder: Path, encoding: float) -> None:
    """The same piece again and again, with noise as its sound."""
    seconds = JOINED_PIECES * COUNT / FPS
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, int(seconds * RATE)))
    sound = folder / "noise.wav"
    write_wav(sound, noise.astype(np.float32))
    clip = AudioClip(sound, Fraction(0), seconds, seconds, RATE, 2)
    pieces = [folder / "detailed.mp4"] * JOINED_PIECES
    output = folder / "joined.mp4"
    join = _cpu_ms(lambda: mux.finish(pieces, clip, output, FPS, {}, RunControl()))
    check = _cpu_ms(lambda: mux.verify(output, JOINED_PIECES * COUNT, FPS, WIDTH, HEIGHT, seconds))
    join, check = join / float(seconds), check / float(seconds)
    print(
        f"joining: {join:.0f} ms a second of video, sound encoded: {join / encoding / FPS:.2f}x of "
        f"encoding its pictures; verifying {check:.0f} ms"
    )


def _bench_interpolation() -> None:
    for factor in (2, 4):
        pictures = [_scene(0.5 + index / 16, 1.5) for index in range(4)]
        interpolator, shown = Interpolator(Fraction(factor), len(pictures) * factor), []
        spent = 0.0
        for index, picture in enumerate(pictures):
            start = time.process_time()
            shown += interpolator.push(picture, index)
            spent += time.process_time() - start
        truth = [_scene(0.5 + index / 16 / factor, 1.5) for index in range(len(shown))]
        new = [index for index in range(len(shown)) if index % factor]
        flow = np.mean([_psnr(shown[index], truth[index]) for index in new])
        blend = np.mean([_psnr(_blend(pictures, index, factor), truth[index]) for index in new])
        print(
            f"interpolation by {factor}: {1000 * spent / len(new):.0f} ms a new picture, "
            f"{flow:.1f} dB; a plain blend {blend:.1f} dB"
        )


def _write(path: Path, pictures: list[Rgb]) -> None:
    with SegmentWriter(path, WIDTH, HEIGHT, FPS, ENCODING) as writer:
        for picture in pictures:
            writer.write(picture)


def _encode_alone(path: Path, pictures: list[Rgb]) -> None:
    """What any program that encodes these pictures with PyAV has to pay."""
    with av.open(str(path), "w") as container:
        options = {"crf": str(ENCODING.crf), "preset": ENCODING.preset}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _scene(second: float, blur: float) -> Rgb:
    """A random field of that blur (blur in pixels) that pans and zooms."""
    if blur not in _FIELDS:
        noise = np.random.default_rng(0).standard_normal((HEIGHT + 400, WIDTH + 400, 3), np.float32)
        field = cv2.GaussianBlur(noise, (0, 0), blur)
        _FIELDS[blur] = np.clip(127 + 40 * field / field.std(), 0, 255).astype(np.uint8)
    zoom = 1 + 0.05 * np.sin(3 * second)
    move = np.array(
        [[zoom, 0, -100 - 60 * np.sin(second)], [0, zoom, -100 - 80 * second % 200]], np.float32
    )
    moved = cv2.warpAffine(_FIELDS[blur], move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    return np.asarray(moved, np.uint8)


_FIELDS: dict[float, Rgb] = {}


def _blend(pictures: list[Rgb], index: int, factor: int) -> Rgb:
    first, step = divmod(index, factor)
    share = step / factor
    mixed = cv2.addWeighted(pictures[first], 1 - share, pictures[first + 1], share, 0)
    return np.asarray(mixed, np.uint8)


def _psnr(one: Rgb, other: Rgb) -> float:
    error = float(np.mean((one.astype(np.float32) - other) ** 2))
    return 10 * float(np.log10(255**2 / max(error, 1e-9)))


def _cpu_ms(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    main()
