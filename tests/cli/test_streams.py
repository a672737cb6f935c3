"""A terminal that goes away, a log on a full disk, no streams: the video is made all the same."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from soundreel.video.reader import read_frames

# As the installed program starts, with the fake engine.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from soundreel.cli.terminal.streams import make_steady
make_steady()
import fakes
fakes.register()
from soundreel.cli.start import main
main()
"""
TESTS = Path(__file__).parents[1]


def start(
    tone: Path, folder: Path, *, environment: Mapping[str, str] | None = None, **options: object
) -> subprocess.Popen[bytes]:
    arguments = ["--engine", "fake", "--size", "64x48", "--seed", "3", "-o", "a.mp4"]
    return subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-c", PROGRAM, str(TESTS), str(tone), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        **options,
    )


def is_whole(video: Path) -> bool:
    return len(list(read_frames(video))) == 80


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_streams_closed_from_the_start(tone: Path, tmp_path: Path, closed: tuple[int, ...]) -> None:
    process = start(tone, tmp_path, preexec_fn=closing(*closed))
    assert process.wait(120) == 0
    assert is_whole(tmp_path / "a.mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_on_a_full_disk(tone: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(tone, tmp_path, stderr=full, stdout=subprocess.DEVNULL)
    assert process.wait(120) == 0
    assert is_whole(tmp_path / "a.mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_result_that_cannot_be_written_is_a_failure(tone: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(tone, tmp_path, stdout=full, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4
    assert b"cannot print the result" in said


@pytest.mark.parametrize("both", [True, False])
def test_a_terminal_that_goes_away(tone: Path, tmp_path: Path, both: bool) -> None:
    """Deaf to the hang-up, as `nohup` and `disown` make it."""
    ours, theirs = pty.openpty()
    process = start(
        tone,
        tmp_path,
        stdout=theirs if both else subprocess.DEVNULL,
        stderr=theirs,
        environment={"FAKE_SLOW": "0.02", "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    os.close(theirs)
    seen = b""
    while b"part" not in seen:
        seen += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(120) == 0
    assert is_whole(tmp_path / "a.mp4")


def test_a_hang_up_that_is_heard_stops_as_ctrl_c_does(tone: Path, tmp_path: Path) -> None:
    process = start(
        tone,
        tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        environment={"FAKE_SLOW": "0.05"},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whatever started us
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"part 2 of"):
            process.send_signal(signal.SIGHUP)
            break
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
