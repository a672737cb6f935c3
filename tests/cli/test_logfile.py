"""`--log-file`: what happened, nothing private, bounded, and never in the job's way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from soundreel.cli.app import run
from soundreel.cli.terminal import logfile
from soundreel.cli.terminal.logfile import LogFile
from soundreel.errors import InputError, RemoteError
from soundreel.events import Event, FrameDone, Notice, StageStarted, StepPreview
from soundreel.safe import secrets

SECRET = "s3cr3tValue"


def no_one(_: Event) -> None:
    pass


def test_a_job_is_told_from_its_arguments_to_its_end(tone: Path, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    url = f"http://me:{SECRET}@127.0.0.1:9"
    words = [str(tone), "--engine", "fake", "-o", str(tmp_path / "a.mp4"), "--log-file", str(log)]
    assert run([*words, "--url", url, "-q"]) == 0
    text = log.read_text()
    for told in ("soundreel log", "arguments:", "versions: python", "settings:", "numpy"):
        assert told in text
    for event in ("StageStarted(stage='render')", "ChunkSealed(", "FrameDone(", "end: done"):
        assert event in text
    assert SECRET not in text
    assert log.stat().st_mode & 0o077 == 0


def test_an_error_is_told_with_its_causes(tmp_path: Path) -> None:
    log = tmp_path / "job.log"

    def fail() -> None:
        try:
            raise OSError(f"Authorization: Bearer {SECRET}\x1b[2J")
        except OSError as err:
            raise RemoteError(f"the server said token={SECRET}") from err

    with pytest.raises(RemoteError), LogFile(log, no_one):
        fail()
    text = log.read_text()
    assert "Traceback" in text
    assert "RemoteError" in text
    assert "direct cause" in text
    assert SECRET not in text
    assert "\x1b" not in text


def test_a_refused_request_is_told(tone: Path, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    assert run([str(tone), "--engine", "fake", "--width", "7", "--log-file", str(log)]) == 2
    assert "InputError" in log.read_text()


def test_what_was_declared_private_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_kept", {})
    secrets.keep_secret(SECRET)
    with LogFile(tmp_path / "a.log", no_one) as log:
        log.handle(Notice(f"the server repeats {SECRET}"))
        log.write("settings", f"x={SECRET!r}")
    assert SECRET not in (tmp_path / "a.log").read_text()


def test_events_go_on_to_the_reporter_and_pictures_stay_out(tmp_path: Path) -> None:
    seen: list[Event] = []
    with LogFile(tmp_path / "a.log", seen.append) as log:
        log.handle(StepPreview(0, 1, b"\xff" * 1000, "image/jpeg"))
        for done in range(1, 1001):
            log.handle(FrameDone(done, 1000))
    text = (tmp_path / "a.log").read_text()
    assert len(seen) == 1001
    assert "'1000 bytes'" in text
    assert 2 <= text.count("FrameDone") < 50
    assert "FrameDone(done=1000, total=1000)" in text


def test_without_a_path_only_the_reporter_hears(tmp_path: Path) -> None:
    seen: list[Event] = []
    with LogFile(None, seen.append) as log:
        log.handle(StageStarted("x"))
    assert seen == [StageStarted("x")]


def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "_MAX_BYTES", 20_000)
    with LogFile(tmp_path / "a.log", no_one) as log:
        for _ in range(1000):
            log.write("event", "x" * 500)
        log.write("event", "y" * 10_000_000)
    sizes = [path.stat().st_size for path in tmp_path.glob("a.log*")]
    assert len(sizes) == 2
    assert sum(sizes) < 80_000


def test_a_second_job_is_added(tmp_path: Path) -> None:
    for _ in range(2):
        with LogFile(tmp_path / "a.log", no_one):
            pass
    assert (tmp_path / "a.log").read_text().count("end: done") == 2


def _song(path: Path) -> None:
    path.write_bytes(b"RIFF....WAVE")


def _link(path: Path) -> None:
    (path.parent / "other.log").write_text("soundreel log: x\n")
    path.symlink_to(path.parent / "other.log")


@pytest.mark.parametrize("make", [_song, _link, os.mkfifo, Path.mkdir])
def test_only_a_log_is_written_to(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    make(path)
    with pytest.raises(InputError, match="cannot be the log file"), LogFile(path, no_one):
        pass
    if path.is_file():
        assert b"process" not in path.read_bytes()


def test_a_log_that_cannot_be_written_does_not_stop_the_job(
    tone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    log = tmp_path / "file" / "job.log"
    target = tmp_path / "a.mp4"
    words = [str(tone), "--engine", "fake", "-o", str(target), "--log-file", str(log)]
    code = run(words)
    assert code in (0, 2)
    assert target.exists() == (code == 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_a_disk_that_fills_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Event] = []
    monkeypatch.setattr(logfile, "_require_log", lambda _: None)
    with LogFile(Path("/dev/full"), seen.append) as log:
        log.handle(StageStarted("x"))
        log.handle(StageStarted("y"))
    notices = [event for event in seen if isinstance(event, Notice)]
    assert len(notices) == 1
    assert "going on without it" in notices[0].message
    assert StageStarted("y") in seen
