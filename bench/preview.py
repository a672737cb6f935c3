"""CPU time of a whole run of the preview engine against encoding the same pictures alone.

The pictures of one run are kept raw in a temporary file; a second process does nothing but encode
them. Where an ffmpeg exists, its own renderers of sound stand beside.

python -m bench.preview [LOOK ...]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import numpy as np

from bench.measure import run_command
from bench.sounds import music, write_wav
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.options import LookName
from soundreel.events import RunControl
from soundreel.types import Encoding, Request
from soundreel.video.encoders import settled

WIDTH, HEIGHT, FPS = 832, 1216, Fraction(16)
ENCODING = settled(Encoding())
EXAMPLES = Path(__file__).parent.parent / "examples"
ROUNDS = 2


@dataclass(frozen=True)
class Case:
    """target: most CPU time of a whole run, as a multiple of encoding its pictures alone."""

    label: str
    sound: str
    start: int
    seconds: int
    target: float
    image: bool = False
    mouth: str = "auto"
    look: str = "flow"

    @property
    def options(self) -> dict[str, str]:
        return {"mouth": self.mouth, "look": self.look}


LOOKS = tuple(name for name in get_args(LookName) if name != "flow")

CASES = (
    Case("without an image", "music.wav", 10, 20, 1.5),
    Case("with an image", "music.wav", 10, 20, 1.8, image=True, mouth="off"),
    Case("with a portrait that speaks", "speech.wav", 0, 7, 1.8, image=True),
    *(Case(f"as {look}", "music.wav", 10, 20, 1.5, look=look) for look in LOOKS),
    Case("as bars before an image", "music.wav", 10, 20, 1.8, image=True, look="bars"),
    Case("as ring-bars with an image", "music.wav", 10, 20, 1.8, image=True, look="ring-bars"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_wav(folder / "music.wav", music())
        shutil.copy(EXAMPLES / "speech.wav", folder)
        chosen = sys.argv[1:]
        for case in CASES:
            if not chosen or case.look in chosen:
                _compare(case, folder)
        if not chosen:
            _bench_ffmpeg(CASES[0], folder)


def _compare(case: Case, folder: Path) -> None:
    pictures, count = folder / "pictures.raw", int(case.seconds * FPS)
    _draw(_request(case, folder), pictures)
    alone = [sys.executable, "-m", "bench.preview", str(pictures), str(folder / "alone.mp4")]
    encoding = min(run_command(alone).cpu_s for _ in range(ROUNDS))
    pictures.unlink()
    whole = min(run_command(_command(case, folder)).cpu_s for _ in range(ROUNDS))
    print(
        f"preview {case.label}: {whole:.1f} CPU s for {count} pictures "
        f"({1000 * whole / count:.0f} ms each, {count / whole:.0f} a CPU second), encoding alone "
        f"{encoding:.1f} CPU s: {whole / encoding:.2f}x (target {case.target}x)",
        flush=True,
    )


def _request(case: Case, folder: Path) -> Request:
    return Request(
        audio=folder / case.sound,
        image=EXAMPLES / "portrait.png" if case.image else None,
        start=Fraction(case.start),
        duration=Fraction(case.seconds),
        width=WIDTH,
        height=HEIGHT,
        seed=1,
        engine="preview",
        options=case.options,
    )


def _command(case: Case, folder: Path) -> list[str]:
    program = [sys.executable, "-c", "from soundreel.cli.app import main; main()"]
    picture = ["--image", str(EXAMPLES / "portrait.png")] if case.image else []
    times = ["--start", str(case.start), "--duration", str(case.seconds), "--seed", "1"]
    places = ["--work-dir", str(folder / "work"), "--overwrite", "-o", str(folder / "whole.mp4")]
    options = [word for name, value in case.options.items() for word in (f"--{name}", value)]
    engine = ["--engine", "preview", *options, "--quiet"]
    return [*program, str(folder / case.sound), *engine, *picture, *times, *places]


def _draw(request: Request, target: Path) -> None:
    """The run's pictures, one after another, as bytes."""
    engine, control = PreviewEngine(Settings()), RunControl()
    plan = plan_request(request, check_inputs(request), engine, control)
    with engine.find(plan.request).open(plan, control) as session, target.open("wb") as file:
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


def _bench_ffmpeg(case: Case, folder: Path) -> None:
    if shutil.which("ffmpeg") is None:
        print("no ffmpeg here: showcqt and showwaves are not measured")
        return
    size, count = f"{WIDTH}x{HEIGHT}", int(case.seconds * FPS)
    for name in (f"showcqt=s={size}:r={FPS}", f"showwaves=s={size}:r={FPS}:mode=cline"):
        times = ["-ss", str(case.start), "-t", str(case.seconds)]
        output = ["-c:v", "libx264", "-preset", ENCODING.preset, "-crf", str(ENCODING.crf)]
        graph = ["-filter_complex", f"[0:a]{name},format=yuv420p[v]", "-map", "[v]", "-map", "0:a"]
        command = ["ffmpeg", "-v", "error", "-y", *times, "-i", str(folder / case.sound)]
        spent = run_command([*command, *graph, *output, str(folder / "ff.mp4")]).cpu_s
        label = name.partition("=")[0]
        print(f"ffmpeg {label}: {spent:.1f} CPU s, {count / spent:.0f} a CPU second")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].endswith(".raw"):
        _encode(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
