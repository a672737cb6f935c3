"""Many hands: what several processes gain, what a unit costs the program that seals it, and that an
hour of units takes the memory of a minute.

The machine must be idle: the first row is wall time.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from bench.memory import write_noise
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.session import core_count
from soundreel.events import Event, RunControl
from soundreel.farm.schedule import spread
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
from soundreel.types import Encoding, Plan, Request
from soundreel.video.writer import SegmentWriter
from soundreel.work.job import Job, piece_name

WIDTH, HEIGHT, SECONDS = 832, 1216, 60
MOST_WALL = 1.15
"""Wall time with all cores, as a multiple of CPU seconds / cores."""
MOST_A_UNIT_S = 0.020


def main(seconds: int = SECONDS) -> None:
    with tempfile.TemporaryDirectory() as name:
        _gain(Path(name), seconds)
        _cost_of_units(Path(name))


def _gain(folder: Path, seconds: int) -> None:
    sound, cores = folder / "sound.wav", core_count()
    write_noise(sound, seconds)
    for workers in sorted({1, cores}):
        wall, cpu = _render(folder, sound, workers)
        print(
            f"preview of {seconds} s at {WIDTH}x{HEIGHT}, {workers} processes on {cores} cores: "
            f"{wall:.1f} s, {wall * cores / cpu:.2f}x of CPU seconds / cores "
            f"(target {MOST_WALL}x with all)",
            flush=True,
        )


def _render(folder: Path, sound: Path, workers: int) -> tuple[float, float]:
    """Wall and CPU seconds of the whole program."""
    command = [
        sys.executable, "-c", "from soundreel.cli.app import main; main()", str(sound),
        "--engine", "preview", "--seed", "1", "--quiet", "--size", f"{WIDTH}x{HEIGHT}",
        "--workers", str(workers), "--work-dir", str(folder / "work"),
        "-o", str(folder / f"{workers}.mp4"),
    ]  # fmt: skip
    begin = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime


def _cost_of_units(folder: Path) -> None:
    """Units that are there at once, of ten seconds each: all that is left is what it costs to give
    them out, to seal them and to forget them."""
    sound = folder / "second.wav"
    write_noise(sound, 1)
    for minutes in (1, 60):
        request = Request(
            audio=sound, engine="preview", width=64, height=64, seed=1,
            num_frames=minutes * 60 * 16, encoding=Encoding(),
        )  # fmt: skip
        plan = plan_of(request)
        before = _peak()
        took, cpu = _spread(plan, folder)
        count, more = len(plan.chunks), (_peak() - before) / 2**20
        print(
            f"{count} units of a job of {minutes} min: {1000 * took / count:.1f} ms each, "
            f"{1000 * cpu / count:.1f} of the CPU (target {1000 * MOST_A_UNIT_S:.0f}), "
            f"{more:.1f} MiB more memory",
            flush=True,
        )


def plan_of(request: Request) -> Plan:
    control = RunControl()
    engine = PreviewEngine(Settings())
    return plan_request(request, check_inputs(request, control), engine, control)


def _spread(plan: Plan, folder: Path) -> tuple[float, float]:
    with Job(folder / "work", "ab" * 10) as job:
        job.bind("cd" * 32)
        control = RunControl()
        sealing = Sealing(plan, job, control, lambda: None, None)
        piece = folder / "piece.mp4"
        with SegmentWriter(piece, 64, 64, Fraction(16), plan.request.encoding) as writer:
            for level in range(160):
                writer.write(np.full((64, 64, 3), level, np.uint8))
        hands = [_AtOnce(piece, job.folder, str(number)) for number in range(4)]
        begin, cpu = time.monotonic(), time.process_time()
        spread(hands, list(sealing.tasks()), sealing, replace(control))
        took = time.monotonic() - begin, time.process_time() - cpu
        assert job.sealed == len(plan.chunks)
        job.remove()
    return took


@dataclass
class _AtOnce:
    """See `farm.hand.Hand`. Gives the same piece for every unit."""

    piece: Path
    folder: Path
    name: str

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        del tell
        for chunk in task.chunks:
            made = self.folder / f"{piece_name(chunk)}.{self.name}.part"
            shutil.copyfile(self.piece, made)
            yield MadeChunk(chunk, {piece_name(chunk): made}, b"", b"")

    def is_back(self) -> bool:
        return False

    def finish(self) -> None:
        pass

    def stop(self) -> None:
        pass


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
