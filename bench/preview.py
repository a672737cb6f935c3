"""CPU time of a whole run of the preview engine against encoding the same pictures alone.

The pictures of one run are kept raw in a temporary file; a second process does nothing but encode
them. Where an ffmpeg exists, its own renderers of sound stand beside.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.measure import run_command
from bench.sounds import music, write_wav
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.events import RunControl
from soundreel.types import Encoding, Request

WIDTH, HEIGHT, FPS = 832, 1216, Fraction(16)
SECONDS = 20
START = 10
ENCODING = Encoding()
PORTRAIT = Path(__file__).parent.parent / "examples" / "portrait.png"
ROUNDS = 2
TARGETS = {"without an image": 1.5, "with an image": 1.8}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = folder / "music.wav"
        write_wav(sound, music())
        for label, image in (("without an image", None), ("with an image", PORTRAIT)):
            _compare(label, sound, image, folder)
        _bench_ffmpeg(sound, folder)


def _compare(label: str, sound: Path, image: Path | None, folder: Path) -> None:
    pictures, count = folder / "pictures.raw", int(SECONDS * FPS)
    _draw(Request(**_request(sound, image)), pictures)
    alone = [sys.executable, "-m", "bench.preview", str(pictures), str(folder / "alone.mp4")]
    encoding = min(run_command(alone).cpu_s for _ in range(ROUNDS))
    pictures.unlink()
    whole = min(run_command(_command(sound, image, folder)).cpu_s for _ in range(ROUNDS))
    print(
        f"preview {label}: {whole:.1f} CPU s for {count} pictures ({1000 * whole / count:.0f} ms "
        f"each, {count / whole:.0f} a CPU second), encoding alone {encoding:.1f} CPU s: "
        f"{whole / encoding:.2f}x (target {TARGETS[label]}x)",
        flush=True,
    )


def _request(sound: Path, image: Path | None) -> dict[str, Any]:
    return {
        "audio": sound,
        "image": image,
        "start": Fraction(START),
        "duration": Fraction(SECONDS),
        "width": WIDTH,
        "height": HEIGHT,
        "seed": 1,
        "engine": "preview",
    }


def _command(sound: Path, image: Path | None, folder: Path) -> list[str]:
    program = [sys.executable, "-c", "from soundreel.cli.app import main; main()", str(sound)]
    picture = [] if image is None else ["--image", str(image)]
    times = ["--start", str(START), "--duration", str(SECONDS), "--seed", "1"]
    places = ["--work-dir", str(folder / "work"), "--overwrite", "-o", str(folder / "whole.mp4")]
    return [*program, "--engine", "preview", "--quiet", *picture, *times, *places]


def _draw(request: Request, target: Path) -> None:
    """The run's pictures, one after another, as bytes."""
    engine, control = PreviewEngine(Settings()), RunControl()
    plan = plan_request(request, check_inputs(request), engine, control)
    with engine.open(plan, control) as session, target.open("wb") as file:
        for chunk in plan.chunks:
            for frame in session.render(chunk, control):
                file.write(frame.rgb.tobytes())


def _encode(pictures: Path, target: Path) -> None:
    """What any program that encodes these pictures with PyAV has to pay."""
    frames = np.memmap(pictures, np.uint8, "r").reshape(-1, HEIGHT, WIDTH, 3)
    with av.open(str(target), "w") as container:
        options = {"crf": str(ENCODING.crf), "preset": ENCODING.preset}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for rgb in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _bench_ffmpeg(sound: Path, folder: Path) -> None:
    if shutil.which("ffmpeg") is None:
        print("no ffmpeg here: showcqt and showwaves are not measured")
        return
    size, count = f"{WIDTH}x{HEIGHT}", int(SECONDS * FPS)
    for name in (f"showcqt=s={size}:r={FPS}", f"showwaves=s={size}:r={FPS}:mode=cline"):
        cut = ["-ss", str(START), "-t", str(SECONDS), "-i", str(sound)]
        output = ["-c:v", "libx264", "-preset", ENCODING.preset, "-crf", str(ENCODING.crf)]
        graph = ["-filter_complex", f"[0:a]{name},format=yuv420p[v]", "-map", "[v]", "-map", "0:a"]
        command = ["ffmpeg", "-v", "error", "-y", *cut, *graph, *output, str(folder / "ff.mp4")]
        spent = run_command(command).cpu_s
        print(
            f"ffmpeg {name.partition('=')[0]}: {spent:.1f} CPU s, {count / spent:.0f} a CPU second"
        )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _encode(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
