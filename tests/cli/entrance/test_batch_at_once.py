"""A list's jobs share the hands: as many at once as there are, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from media_factory import sine, sweep, write_audio
from soundreel.cli.app import run
from soundreel.cli.commands.many import crew
from soundreel.cli.terminal.verdicts import SOME_FAILED
from soundreel.errors import Cancelled
from soundreel.farm.child import ChildFailed
from soundreel.work.lock import Lock

FIVE = ",".join(f"http://box{number}:1" for number in range(1, 6))


class FakeChild:
    """Does what `work` would, in a moment, and notes who does what at once."""

    at_work: ClassVar[dict[str, list[str]]] = {}
    made: ClassVar[list[tuple[str, list[str]]]] = []
    failing: ClassVar[Mapping[str, dict[str, Any]]] = {}
    """By the name of a sound, or by a server."""
    most = looks = 0
    hands_of_use = 1
    lock = threading.Lock()

    def __init__(self, module: str) -> None:
        assert module == "soundreel.cli.commands.many.work"
        self.alive, self._cancelled = True, threading.Event()

    def __enter__(self) -> FakeChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.alive = False

    def call(self, work: str, arguments: dict[str, Any], hear: Any = None) -> dict[str, Any]:
        song = Path(arguments["asked"]["request"]["audio"]).name
        if work == "look":
            FakeChild.looks += 1
            return {"engine": "comfyui", "hands": FakeChild.hands_of_use}
        servers = arguments["settings"]["url"].split(",")
        with self.lock:
            taken = [each for others in self.at_work.values() for each in others]
            assert not {*taken} & {*servers}, "a server has two jobs at once"
            self.at_work[song] = servers
            FakeChild.most = max(FakeChild.most, len(self.at_work))
        hear({"event": "Notice", "values": {"message": f"made by {len(servers)}"}})
        stopped = self._cancelled.wait(30 if song.startswith("long") else 0.05)
        with self.lock:
            del self.at_work[song]
            self.made.append((song, servers))
        wrong = self.failing.get(song) or self.failing.get(servers[0])
        if stopped or wrong:
            raise ChildFailed(wrong or {"type": "Cancelled", "message": "it was cancelled"})
        return {"path": arguments["asked"]["request"]["output"]}

    def cancel(self) -> None:
        self._cancelled.set()

    kill = cancel


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakeChild]]:
    monkeypatch.setattr(crew, "Child", FakeChild)
    for name, value in (("made", []), ("at_work", {}), ("failing", {}), ("hands_of_use", 1)):
        monkeypatch.setattr(FakeChild, name, value)
    FakeChild.most = FakeChild.looks = 0
    monkeypatch.chdir(tmp_path)
    yield FakeChild
    assert not FakeChild.at_work


def batch(tmp_path: Path, *names: str, more: tuple[str, ...] = ()) -> int:
    jobs = tmp_path / "jobs.jsonl"
    lines = [{"audio": str(tmp_path / name)} for name in names]
    jobs.write_text("\n".join(map(json.dumps, lines)))
    return run([
        "batch", str(jobs), "-o", "videos/", "--engine", "comfyui", "--url", FIVE,
        "--work-dir", "work", *more,
    ])  # fmt: skip


def test_many_small_jobs_fill_all_servers(
    fake: type[FakeChild], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{number}.wav" for number in range(12)]
    assert batch(tmp_path, *names, more=("--log-file", "log")) == 0
    assert fake.most == 5
    assert [len(servers) for _, servers in fake.made][:7] == [1] * 7
    assert sorted(song for song, _ in fake.made) == sorted(names)
    out, err = capsys.readouterr()
    listed = [Path(line.split()[1]).name for line in out.splitlines()[:-1]]
    assert listed == names, "the table is in the list's order"
    assert "3.mp4: 4 of 12" in err
    assert "3.mp4: made by 1" in err
    assert "event of 3.mp4: Notice(message='made by 1')" in Path("log").read_text()


def test_few_jobs_have_all_servers_that_are_of_use(fake: type[FakeChild], tmp_path: Path) -> None:
    fake.hands_of_use = 9
    assert batch(tmp_path, "a.wav", "b.wav") == 0
    assert fake.looks == 2
    assert sorted(len(servers) for _, servers in fake.made) == [2, 3]


def test_what_a_server_refused_another_one_makes(
    fake: type[FakeChild], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"http://box2:1": {"type": "EngineAway", "message": "no answer", "hint": ""}}
    assert batch(tmp_path, *(f"{number}.wav" for number in range(8))) == 0
    tried = [servers for _, servers in fake.made if servers == ["http://box2:1"]]
    assert len(tried) == 1, "it rests while the others work"
    err = capsys.readouterr().err
    assert "no answer; another server is asked" in err
    assert err.count(": 2 of 8:") == 1


def test_one_that_fails_does_not_stop_the_others(
    fake: type[FakeChild], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON comes in the order of ending."""
    wrong = {"type": "WorkError", "message": "the disk is full", "hint": "", "exit_code": 4}
    fake.failing = {"b.wav": wrong}
    assert batch(tmp_path, "a.wav", "b.wav", "c.wav", more=("--json",)) == SOME_FAILED
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["job"]: one["outcome"] for one in said} == {
        "line 1": "made", "line 2": "failed", "line 3": "made",
    }  # fmt: skip
    assert next(one["error"] for one in said if "error" in one) == wrong


def test_what_nobody_foresaw_costs_one_job(
    fake: type[FakeChild],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def odd(child: FakeChild, module: str) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(FakeChild, "__init__", odd)
    assert batch(tmp_path, "a.wav", "b.wav") == SOME_FAILED
    assert "2 jobs: 2 failed" in capsys.readouterr().out


def test_a_stop_reaches_all_jobs(fake: type[FakeChild], tmp_path: Path) -> None:
    def stop() -> None:
        until = time.monotonic() + 20
        while len(fake.at_work) < 5 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop).start()
    began = time.monotonic()
    names = [f"long{number}.wav" for number in range(7)]
    assert batch(tmp_path, *names) == Cancelled.exit_code
    assert time.monotonic() - began < 20
    assert len(fake.made) == 5, "the others were not begun"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_when_the_program_ends_so_do_its_processes_and_what_is_made_stays(
    number: signal.Signals, tmp_path: Path
) -> None:
    """With real processes, which nothing else would show."""
    songs = tmp_path / "songs"
    songs.mkdir()
    for name in ("a.wav", "b.wav"):
        write_audio(songs / name, sweep(240, rate=8000), rate=8000)
    write_audio(songs / "0.wav", sine(0.3, rate=8000), rate=8000)
    command = [
        *(sys.executable, "-m", "soundreel", "batch", str(songs), "-o", f"{tmp_path}/videos/"),
        *("--engine", "preview", "--size", "128x96", "--workers", "2"),
        *("--work-dir", str(tmp_path / "work")),
    ]
    program = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stderr is not None
    begun = [next(line for line in program.stderr if " of 3:" in line) for _ in range(3)]
    assert len(begun) == 3
    until = time.monotonic() + 60
    while len(list((tmp_path / "work").glob("*/chunk-*.state"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(group_of(program.pid)) >= 3
    program.send_signal(number)
    assert program.wait(30) == {signal.SIGKILL: -9, signal.SIGINT: 130}[number]
    until = time.monotonic() + 10
    while group_of(program.pid):
        assert time.monotonic() < until, group_of(program.pid)
        time.sleep(0.05)
    program.stderr.close()
    assert (tmp_path / "videos" / "0.mp4").exists()
    assert len(list((tmp_path / "work").glob("*/chunk-*.state"))) >= 2
    assert all(Lock(path).acquire() for path in (tmp_path / "work").glob("*.lock"))


def group_of(leader: int) -> list[int]:
    """Processes of a group that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return found
