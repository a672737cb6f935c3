"""A Ray cluster: what a job moves, what a worker costs before its first picture, and how fast one
driver takes back and seals parts. Only where Ray is installed.

Head, node, workers and driver share this machine, so the parts a second are the least that a driver
can do; its CPU seconds hold on a busy machine too.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

from bench.farm import HEIGHT, WIDTH, plan_of
from bench.memory import write_noise
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.errors import Cancelled
from soundreel.events import ChunkSealed, ChunkStarted, Event, FrameDone, RunControl
from soundreel.farm import cluster
from soundreel.farm.cluster import CLIENT, NodeHand, make_by_cluster
from soundreel.farm.messages import Done, Work
from soundreel.farm.node import Node
from soundreel.farm.parcels import pack, unpack
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
from soundreel.types import Encoding, Plan, Request
from soundreel.versions import versions
from soundreel.work.job import Job, piece_name

STORE = 600 << 20
WORKERS = 4
"""Each takes a core, as Ray counts them."""
PORT = 23791
PICTURES = 160
"""Of a part of the preview."""
PACE_S = 0.1
"""A picture of 832x1216 takes so long."""


@dataclass(frozen=True)
class Parts:
    """Parts that are there at once, or `paced`, in the preview's own time. piece, state: bytes."""

    name: str
    count: int
    piece: int
    state: int = 0
    paced: bool = False


ALL = (
    Parts("2 kB", 120, 2_000),
    Parts("6 MB, as the preview's", 30, 6_000_000),
    Parts("3 MB with a state of 80 MB, as wan's", 12, 3_000_000, 80_000_000),
    Parts("2 kB, a tenth of a second for each picture", 12, 2_000, paced=True),
)


def main() -> None:
    if find_spec("ray") is None:
        print("Ray is not installed: skipped")
        return
    with tempfile.TemporaryDirectory() as name, _started(Path(name)) as address:
        folder = Path(name)
        _real_job(folder, address)
        for minutes in (1, 60):
            _opening(folder, address, minutes)
        for way in (address, f"{CLIENT}127.0.0.1:{PORT}"):
            for parts in ALL:
                _take_back(folder, way, parts)


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    """A head without cores, and a node. Gives the address."""
    from ray.cluster_utils import Cluster

    path = os.pathsep.join(filter(None, sys.path))
    theirs = {
        **{"PYTHONPATH": path, "SOUNDREEL_WORK_DIR": str(folder / "nodes")},
        **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "300"},
    }
    with patch.dict(os.environ, theirs):
        common = {"object_store_memory": STORE, "include_dashboard": False}
        head = {**common, "num_cpus": 0, "ray_client_server_port": PORT}
        made: Any = Cluster(initialize_head=True, head_node_args=head)
        made.add_node(num_cpus=WORKERS, **common)
        try:
            yield str(made.address)
        finally:
            made.shutdown()


# --- the preview's own parts ----------------------------------------------------------------------


class _Timed(Node):
    """Tells the CPU seconds of its process."""

    def spent(self) -> float:
        return time.process_time()


@dataclass
class _Seen:
    """By the hands of a job. put: bytes of the plan, and of each input; files: of those that came
    back; begun, opened: CPU seconds of the first worker's process."""

    put: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    words: int = 0
    begun: float = 0.0
    opened: float = 0.0


def _watching(seen: _Seen) -> type[NodeHand]:
    class Watched(NodeHand):
        def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
            def told(event: Event) -> None:
                seen.words += 1
                if isinstance(event, ChunkStarted):
                    seen.opened = seen.opened or self._spent()
                tell(event)

            yield from super().make(task, told)

        def _begin(self, seconds: float) -> None:
            super()._begin(seconds)
            seen.begun = seen.begun or self._spent()

        def _spent(self) -> float:
            return float(self._ray.get(self._actor.spent.remote()))

        def _written(self, files: Mapping[str, bytes]) -> dict[str, Path]:
            seen.files += map(len, files.values())
            return super()._written(files)

    return Watched


def _watched(plan: Plan, folder: Path, address: str, workers: int, control: RunControl) -> _Seen:
    seen = _Seen()

    def counted(value: object, **own: Any) -> Any:
        packed, files = pack(value, **own)
        seen.put = [len(packed), *(path.stat().st_size for path in files.values())]
        return packed, files

    with (
        patch.object(cluster, "pack", counted),
        patch.object(cluster, "Node", _Timed),
        patch.object(cluster, "NodeHand", _watching(seen)),
        suppress(Cancelled),
    ):
        _make(plan, folder, address, workers, control)
    return seen


def _real_job(folder: Path, address: str) -> None:
    plan = _plan(folder, 20, WIDTH, HEIGHT)
    seen = _watched(plan, folder, address, 2, RunControl())
    packed, *inputs = seen.put
    print(
        f"preview of 20 s at {WIDTH}x{HEIGHT}: the plan {packed / 1e3:.1f} kB, inputs "
        f"{sum(inputs) / 1e6:.2f} MB; back came {seen.words} words and "
        f"{' and '.join(f'{size / 1e6:.1f} MB' for size in seen.files)}",
        flush=True,
    )


def _opening(folder: Path, address: str, minutes: int) -> None:
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, ChunkSealed):
            control.cancel()

    plan = _plan(folder, 60 * minutes)
    seen = _watched(plan, folder, address, 1, replace(control, on_event=stop))
    print(
        f"a worker for {minutes} min of sound: begun after {seen.begun:.1f} CPU seconds, "
        f"its engine open after {seen.opened:.1f}",
        flush=True,
    )


# --- parts that cost their workers nothing --------------------------------------------------------


def _giving(parts: Parts) -> type[Node]:
    """What gives them."""

    class Giving(Node):
        def begin(self, work: bytes, files: Mapping[str, Sequence[Any]]) -> Mapping[str, str]:
            del files
            self._place.take()
            asked: Work = unpack(work, self._place.path)
            Thread(target=self._run, daemon=True).start()
            return versions(asked.plan)

        def _run(self) -> None:
            content, state = secrets.token_bytes(parts.piece), secrets.token_bytes(parts.state)
            while (task := self._inbox.get()) is not None:
                for chunk in task.chunks:
                    for number in range(PICTURES if parts.paced else 0):
                        time.sleep(PACE_S)
                        self._say(FrameDone(number, PICTURES))
                    path = self._place.path / piece_name(chunk)
                    path.write_bytes(content)
                    self._say(MadeChunk(chunk, {piece_name(chunk): path}, state, b""))
                self._say(Done())

    return Giving


def _take_back(folder: Path, address: str, parts: Parts) -> None:
    marks: list[tuple[float, float]] = []

    def mark(event: Event) -> None:
        if isinstance(event, ChunkSealed):
            marks.append((time.monotonic(), time.process_time()))

    plan = _plan(folder, 1, num_frames=parts.count * PICTURES)
    with patch.object(cluster, "Node", _giving(parts)):
        _make(plan, folder, address, WORKERS, RunControl(mark))
    marks = marks[len(marks) // 3 :]  # by then all workers are there
    (begin, before), (end, after) = marks[0], marks[-1]
    count = len(marks) - 1
    print(
        f"{CLIENT if address.startswith(CLIENT) else 'ray'}, parts of {parts.name}: "
        f"{count / (end - begin):.1f} a second, {1000 * (after - before) / count:.1f} ms of the "
        "driver's CPU each",
        flush=True,
    )


# --- both -----------------------------------------------------------------------------------------


def _plan(
    folder: Path, seconds: int, width: int = 64, height: int = 64, num_frames: int | None = None
) -> Plan:
    """The preview of so many seconds of noise."""
    sound = folder / f"{seconds}.wav"
    write_noise(sound, seconds)
    request = Request(
        audio=sound, engine="preview", width=width, height=height, seed=1, num_frames=num_frames,
        encoding=Encoding(),
    )  # fmt: skip
    return plan_of(request)


def _make(plan: Plan, folder: Path, address: str, workers: int, control: RunControl) -> None:
    settings = Settings(work_dir=folder / "work", cluster=address, workers=workers)
    ready = PreviewEngine(settings).find(plan.request)
    with Job(settings.work_dir, secrets.token_hex(10)) as job:
        job.bind("cd" * 32)
        try:
            sealing = Sealing(plan, job, control, lambda: None, None)
            make_by_cluster(settings, plan, ready, job, sealing, control)
        finally:
            job.remove()


if __name__ == "__main__":
    main()
