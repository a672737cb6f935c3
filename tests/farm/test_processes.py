"""Processes share a job: the same bytes, whatever becomes of them."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import fakes
from fakes import cancel_after
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.engines.base import Worker
from soundreel.errors import Cancelled, EngineError
from soundreel.events import ChunkSealed, ChunkStarted, Event, FrameDone, Notice, RunControl
from soundreel.farm import process
from soundreel.farm.hand import HandLost
from soundreel.farm.messages import Work
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
from soundreel.types import Plan, Request, ShotRequest
from soundreel.work.lock import Lock

RUNNER = Path(__file__).with_name("run_worker.py")
SHOTS = tuple(ShotRequest(start=Fraction(start)) for start in range(5))
EARLIER = set[int]()
"""Processes of tests before, which may end at any time."""


def workers(ready: fakes.FakeReady, plan: Plan, wanted: int | None) -> list[Worker]:
    return [Worker(f"hand {number}") for number in range(wanted or 1)]


@pytest.fixture(autouse=True)
def _fake_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of the fake engine, which has a state. Whatever happens, no process outlives its test."""
    EARLIER.clear()
    EARLIER.update(children(os.getpid()))
    monkeypatch.setattr(process, "COMMAND", (sys.executable, str(RUNNER)))
    monkeypatch.setattr(fakes.FakeReady, "workers", workers, raising=False)
    monkeypatch.setattr(fakes.FakeReady, "cards_each", 0, raising=False)
    yield
    assert not processes()


def processes() -> list[int]:
    """Those that make units for us, zombies included."""
    found = []
    for pid in {*children(os.getpid())} - EARLIER:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if RUNNER.name.encode() in words or " Z " in stat:
            found.append(pid)
    return sorted(found)


def request_for(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    values |= {"seed": 3, "output": output, "shots": SHOTS, "transition": "crossfade:0.25"}
    return Request(**{**values, **changes})  # type: ignore[arg-type]


def by(settings: Settings, count: int) -> Settings:
    return settings.model_copy(update={"workers": count})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bytes_are_those_of_one_process(tone: Path, tmp_path: Path, settings: Settings) -> None:
    """Begun by three, stopped, gone on with by two; at another rate, through crossfades."""
    one = request_for(tone, tmp_path / "one.mp4", interpolate="flow", fps=Fraction(24))
    whole = generate(one, settings)
    more = replace(one, output=tmp_path / "more.mp4")
    with pytest.raises(Cancelled):
        generate(more, by(settings, 3), control=cancel_after(30))
    assert not processes()
    events: list[Event] = []
    result = generate(more, by(settings, 2), control=RunControl(events.append))
    assert digest(result.path) == digest(whole.path)
    assert not list(settings.work_dir.glob("[0-9a-f]*"))
    sealed = [event for event in events if isinstance(event, ChunkSealed)]
    assert len(sealed) == len(whole.plan.chunks)
    assert result.resumed_chunks == sum(event.resumed for event in sealed)
    done = [event.done for event in events if isinstance(event, FrameDone)]
    assert done == list(range(done[0], whole.plan.output_frames + 1))


def test_the_sidecar_says_who_made_what(tone: Path, tmp_path: Path, settings: Settings) -> None:
    """And the file does not: its bytes do not depend on it."""
    made = generate(request_for(tone, tmp_path / "a.mp4"), by(settings, 2))
    hands = fakes.sidecar_of(made.path)["hands"]
    assert isinstance(hands, dict)
    assert set(hands) == {"hand 0", "hand 1"}
    assert sorted(part for parts in hands.values() for part in parts) == list(
        range(1, len(made.plan.chunks) + 1)
    )


def test_processes_that_are_killed_cost_their_part_only(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    whole = generate(request_for(tone, tmp_path / "one.mp4"), settings)
    chance, killed, told = random.Random(3), list[int](), list[int]()

    def kill(event: Event) -> None:
        if not isinstance(event, FrameDone):
            return
        told.append(event.done)
        if event.done in (9, 33) and len(killed) < 2:
            killed.append(chance.choice(processes()))
            os.kill(killed[-1], signal.SIGKILL)

    again = request_for(tone, tmp_path / "two.mp4")
    made = generate(again, by(settings, 2), control=RunControl(kill))
    assert len(killed) == 2
    assert told[-1] == whole.plan.output_frames, "what is made again is not counted twice"
    assert digest(made.path) == digest(whole.path)
    assert not list(settings.work_dir.glob("[0-9a-f]*"))


GIVES = """
import os, signal, sys
from soundreel.farm.messages import receive, send
from soundreel.render.maker import MadeChunk
work, task = receive(sys.stdin.buffer), receive(sys.stdin.buffer)
given, begun = (work.folder / (name + work.ending) for name in ("given", "begun"))
given.touch()
begun.touch()
send(MadeChunk(0, {"given": given}, b"", b""), sys.stdout.buffer)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_process_gave_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job may not have sealed it yet when the process dies over its next part."""
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", GIVES))
    nothing: Any = None
    work = Work(nothing, nothing, {}, {}, tmp_path, tmp_path, "", frozenset())
    hand = process.ProcessHand(work, {}, "", lambda _name, make: make())
    making = hand.make(Task(range(2)), lambda _: None)
    made = next(making)
    with pytest.raises(HandLost, match="SIGKILL"):
        next(making)
    hand.stop()
    assert list(tmp_path.iterdir()) == [made.files["given"]], "what was only begun is gone"


def test_what_is_made_when_a_job_ends_is_sealed(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three parts are given while the first is being sealed, and then the job is stopped."""
    control, seal, make = RunControl(), Sealing.seal, process.ProcessHand.make
    given = list[MadeChunk]()

    def counted(
        self: process.ProcessHand, task: Task, tell: Callable[[Event], None]
    ) -> Iterator[MadeChunk]:
        for made in make(self, task, tell):
            given.append(made)
            yield made

    def late(self: Sealing, made: MadeChunk, by: str = "") -> None:
        while len(given) < 3:
            time.sleep(0.01)
        control.cancel()
        seal(self, made, by)

    monkeypatch.setattr(process.ProcessHand, "make", counted)
    monkeypatch.setattr(Sealing, "seal", late)
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, by(settings, 3), control=control)
    assert generate(request, settings).resumed_chunks > 2


def test_a_part_that_kills_its_process_twice_is_an_error_and_the_rest_is_kept(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = generate(request_for(tone, tmp_path / "one.mp4"), settings)
    request = request_for(tone, tmp_path / "two.mp4")
    monkeypatch.setenv("FAKE_KILL_AT", "60")
    with pytest.raises(EngineError, match=r"part \d could not .*SIGKILL.* 2 times"):
        generate(request, by(settings, 2))
    assert not processes()
    monkeypatch.delenv("FAKE_KILL_AT")
    assert generate(request, settings).resumed_chunks > 0
    assert digest(tmp_path / "two.mp4") == digest(whole.path)


def test_an_error_of_the_engine_is_said_as_it_is_in_one_process(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAILS", "1")
    with pytest.raises(EngineError, match="the fake engine broke") as caught:
        generate(request_for(tone, tmp_path / "a.mp4"), by(settings, 2))
    assert caught.value.hint == "mend it"


def test_an_error_that_cannot_travel_goes_as_text() -> None:
    from soundreel.farm.worker import _portable

    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(one + two)

    assert "Odd: 3" in str(_portable(Odd(1, 2)))
    known = _portable(EngineError("it broke", hint="mend it"))
    assert isinstance(known, EngineError)
    assert known.hint == "mend it"


DRIVER = """
import sys
sys.path[:0] = {path!r}
import fakes
from pathlib import Path
from soundreel.farm import process
from soundreel.farm.hand import HandLost
from soundreel.farm.messages import Work
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
sys.path.insert(0, {tests!r})
from farm import test_processes
process.COMMAND = (sys.executable, {runner!r})
fakes.FakeReady.workers, fakes.FakeReady.cards_each = test_processes.workers, 0
fakes.register()
from soundreel.cli.app import run
sys.exit(run({arguments!r}))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_program_ends_so_do_its_processes(
    number: signal.Signals, tone: Path, tmp_path: Path
) -> None:
    shots = tmp_path / "shots.toml"
    shots.write_text("".join(f"[[shot]]\nstart = {start}\n" for start in range(5)))
    arguments = [
        str(tone), "--engine", "fake", "--size", "64x48", "--seed", "3", "--shots", str(shots),
        "--work-dir", str(tmp_path / "work"), "-o", str(tmp_path / "a.mp4"), "--workers", "2",
    ]  # fmt: skip
    tests = str(Path(fakes.__file__).parent)
    code = DRIVER.format(path=sys.path, tests=tests, runner=str(RUNNER), arguments=arguments)
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "FAKE_SLOW": "60"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    for line in program.stderr:
        if line.startswith("part "):
            break
    mine = children(program.pid)
    assert len(mine) == 2
    program.send_signal(number)
    assert program.wait(60) == {signal.SIGKILL: -9, signal.SIGTERM: 130}[number]
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}/fd").exists() and is_alive(pid) for pid in mine):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert all(Lock(path).acquire() for path in (tmp_path / "work").glob("*.lock"))


def children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_short_clip_is_made_by_one_process(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """Another one would take longer to start than it saves."""
    events: list[Event] = []
    request = request_for(tone, tmp_path / "a.mp4", engine="preview")
    generate(request, settings, control=RunControl(events.append))
    assert any(isinstance(event, ChunkStarted) for event in events)
    assert not any("processes" in e.message for e in events if isinstance(e, Notice))
