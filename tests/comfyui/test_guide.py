"""The commands of docs/S2V_GUIDE.md work as they stand there, on small pictures."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from comfyui.engine_tools import melody, pitches
from comfyui.fake.server import FakeComfyUI
from media_factory import write_audio
from soundreel.cli.app import run
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.video.reader import probe_video

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "S2V_GUIDE.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.strip().splitlines()
]
RENDERING = [line for line in COMMANDS if "doctor" not in line]
SOUNDS = {"song.mp3": 90, "track.flac": 55, "podcast.m4a": 65}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for name, length in SOUNDS.items():
        write_audio(folder / name, melody(pitches(length * 16)), rate=16000)
    return folder


@pytest.fixture
def place(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for sound in sounds.iterdir():
        (tmp_path / sound.name).symlink_to(sound)
    for name in ("singer.png", "host.png"):
        Image.new("RGB", (48, 64), (90, 60, 30)).save(tmp_path / name)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_four_use_cases_and_a_quick_start() -> None:
    assert len(RENDERING) == 6
    assert all(line.startswith("soundreel ") for line in COMMANDS)


@pytest.mark.parametrize("line", RENDERING, ids=lambda line: shlex.split(line)[1])
def test_the_command_makes_a_video(place: Path, line: str) -> None:
    small = ["--size", "64x64", "--frames", "2", "-o", str(place / "made.mp4"), "--quiet"]
    with FakeComfyUI() as server:
        words = shlex.split(line)[1:]
        assert run([*words, *small, "--url", server.url, "--work-dir", str(place / "work")]) == 0
    factor = 2 if "--interpolate" in words else 1
    assert probe_video(place / "made.mp4").num_frames == 2 * factor


def test_the_guide_names_every_option() -> None:
    for name in ComfyUIOptions.model_fields:
        assert f"--{name.replace('_', '-')}" in GUIDE
