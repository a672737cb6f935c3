"""The commands of docs/I2V_GUIDE.md work as they stand there, on small pictures."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from comfyui.fake.server import FakeComfyUI
from soundreel.cli import classic
from soundreel.cli.app import run
from soundreel.config import default_config_path
from soundreel.engines.comfyui.options import ComfyUIImageOptions
from soundreel.engines.preview.options import PreviewImageOptions
from soundreel.video.reader import VideoInfo, probe_video

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "I2V_GUIDE.md").read_text(encoding="utf-8")
[CLASSIC] = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
LINES = CLASSIC.strip().splitlines()
[COMMAND] = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
[PYTHON] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the guide names, whose owner likes small pictures."""
    for name in ("portrait.png", "end.png"):
        Image.new("RGB", (64, 96), (90, 60, 30)).save(tmp_path / name)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    config = default_config_path()
    config.parent.mkdir(parents=True)
    config.write_text("[options]\nwidth = 64\nheight = 64\nseed = 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(line: str, url: str = "") -> int:
    """The script, with what stands after its name."""
    _, script, *words = shlex.split(line)
    spec = importlib.util.spec_from_file_location("classic_script", ROOT / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code = module.main([url if "://" in word else word for word in words])
    assert isinstance(code, int)
    return code


def made(place: Path) -> VideoInfo:
    [video] = place.rglob("*.mp4")
    return probe_video(video)


def expected(line: str) -> tuple[int, int, int]:
    """Pictures, width and height."""
    frames = 49 if "--frames 49" in line else 25 * (2 if "film" in line else 1)
    return (frames, 832, 480) if "--width 832" in line else (frames, 64, 64)


def test_the_page_shows_every_option_that_the_script_always_had() -> None:
    for option in (
        *("--last-frame", "--last-only", "--frames", "--width", "--height", "--positive"),
        *("--negative", "--settings", "--timeout", "--url", "--crf"),
        *("--interpolate film", "--interpolate none"),
    ):
        assert [line for line in LINES if option in line], option


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition(".png ")[2])
def test_every_classic_line_runs_on_a_server(
    place: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeComfyUI() as server:
        monkeypatch.setenv("SOUNDREEL_URL", server.url)
        assert ran(line, server.url) == 0
        assert server.prompts
    video = made(place)
    assert (video.num_frames, video.width, video.height) == expected(line)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition(".png ")[2])
def test_every_classic_line_runs_without_a_server_or_says_why_not(
    place: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(classic, "_server_answers", lambda: False)
    monkeypatch.setenv("COMFYUI_PATH", "nowhere")
    code, said = ran(line, "http://127.0.0.1:9"), capsys.readouterr().err
    if "--url" in line:
        assert (code, "no answer from http://127.0.0.1:9" in said) == (3, True)
    elif "--last" in line:
        assert (code, "makes no way to another" in said) == (3, True)
    else:
        assert code == 0
        video = made(place)
        assert (video.num_frames, video.width, video.height) == expected(line)


def test_the_first_command_makes_a_video(place: Path) -> None:
    words = shlex.split(COMMAND)[1:]
    given = ["--frames", "5", "-o", "made.mp4", "--work-dir", "work", "-e", "preview"]
    assert run([*words, *given]) == 0
    assert made(place).width == 832


def test_the_python_makes_a_video(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOUNDREEL_URL", "http://127.0.0.1:9")
    exec(compile(PYTHON, "example", "exec"), {"__name__": "__main__"})
    assert made(place).num_frames == 25
    assert capsys.readouterr().out.strip().endswith(".mp4")


@pytest.mark.parametrize("model", [ComfyUIImageOptions, PreviewImageOptions])
def test_the_guide_names_the_options_of_the_engines(model: type) -> None:
    known = {"palette", "fade"}  # of which the page of the preview speaks
    for name in {*model.model_fields} - known:  # type: ignore[attr-defined]
        assert f"--{name.replace('_', '-')}" in GUIDE, name
