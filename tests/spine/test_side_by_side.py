"""Any number of jobs at once: what exits with 0 has its own right file under the name it printed.

Real processes, since threads share what they must not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.record import TAG
from soundreel.video.reader import read_frames, read_tags

RUNNER = Path(__file__).parents[1] / "run_fake.py"
ALIKE = ("--engine", "fake", "--size", "64x48", "--frames", "30", "--json")
IN_SECONDS, AT_ONCE = 60, 3


def start(sound: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(RUNNER), str(sound), *ALIKE, "--work-dir", "work", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, dict[str, object]]]:
    """Exit codes, and what was printed."""
    ends = [process.communicate(timeout=IN_SECONDS) for process in processes]
    for said, errors in ends:
        assert "Traceback" not in said + errors
    return [
        (process.returncode, json.loads(said))
        for process, (said, _) in zip(processes, ends, strict=True)
    ]


def seed_of(video: Path) -> int:
    """What file and sidecar agree on; every picture decodes."""
    assert len(list(read_frames(video))) == 30
    inside = json.loads(read_tags(video)[TAG])
    beside = json.loads(video.with_suffix(".json").read_text())
    assert inside["seed"] == beside["seed"]
    assert inside["inputs"] == beside["inputs"]
    return int(inside["seed"])


def left_over(folder: Path) -> list[str]:
    hidden = [path for path in folder.rglob("*") if path.name.startswith(".soundreel-seen")]
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path not in hidden and (path.name.startswith(".") or path.suffix in (".part", ".lock"))
    ]


def two_seeds_with_automatic_names(folder: Path, sound: Path) -> None:
    (folder / "elsewhere").mkdir()
    other = folder / "elsewhere" / sound.name  # another sound of the same name
    other.write_bytes(sound.read_bytes() + b"\0\0")
    ends = finished(
        [start(sound, folder, "--seed", str(seed)) for seed in range(AT_ONCE)]
        + [start(other, folder, "--seed", "0")]
    )
    assert [code for code, _ in ends] == [0] * (AT_ONCE + 1)
    paths = [Path(str(said["path"])) for _, said in ends]
    assert len(set(paths)) == AT_ONCE + 1
    assert [seed_of(path) for path in paths] == [*range(AT_ONCE), 0]


def two_seeds_under_one_name(folder: Path, sound: Path, *more: str) -> None:
    ends = finished(
        [start(sound, folder, "--seed", str(seed), "-o", "a.mp4", *more) for seed in range(2)]
    )
    done = [seed for seed, (code, _) in enumerate(ends) if code == 0]
    refused = [said["error"] for code, said in ends if code != 0]
    if "--overwrite" in more and len(done) == 2:  # one after the other, by the luck of the start
        assert seed_of(folder / "a.mp4") in done
    else:
        assert len(done) == 1
        assert seed_of(folder / "a.mp4") == done[0]
    assert all("making" in str(error) or "exists already" in str(error) for error in refused)


def the_very_same_command(folder: Path, sound: Path, *more: str) -> None:
    """One works; the other says that, or finds its work done."""
    ends = finished([start(sound, folder, "--seed", "7", *more) for _ in range(2)])
    done = [Path(str(said["path"])) for code, said in ends if code == 0]
    refused = [said["error"] for code, said in ends if code != 0]
    assert done
    assert [seed_of(path) for path in done] == [7] * len(done)
    if "--overwrite" not in more:
        assert len(set(done)) == len(done)
    assert all("another process" in str(error) or "exists" in str(error) for error in refused)


CASES: dict[str, Callable[[Path, Path], object]] = {
    "automatic names": two_seeds_with_automatic_names,
    "one name": two_seeds_under_one_name,
    "one name, overwriting": lambda a, b: two_seeds_under_one_name(a, b, "--overwrite"),
    "the same command": the_very_same_command,
    "the same command, one name": lambda a, b: the_very_same_command(a, b, "-o", "a.mp4"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("turn", range(2))
def test_pairs(tmp_path: Path, case: str, turn: int) -> None:
    pair(tmp_path, case)


@pytest.mark.soak
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("turn", range(40))
def test_two_hundred_pairs(tmp_path: Path, case: str, turn: int) -> None:
    pair(tmp_path, case)


def pair(folder: Path, case: str) -> None:
    sound = write_audio(folder / "song.wav", sine(2, rate=16000), rate=16000)
    CASES[case](folder, sound)
    assert left_over(folder) == []
