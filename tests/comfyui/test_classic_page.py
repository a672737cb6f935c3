"""The classic command's page: each of its command lines runs as it stands there, on the preview
engine and on a server, and its options have the defaults that it says."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from comfyui.engine_tools import melody, pitches
from comfyui.fake.server import FakeComfyUI
from media_factory import write_audio
from soundreel import registry
from soundreel.cli.app import run
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.errors import EngineUnavailable
from soundreel.video.reader import probe_video

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "S2V_GUIDE.md").read_text(encoding="utf-8")
SCRIPT = "scripts/generate_wan22_sound_video.py"
ROWS = re.findall(rf"^\| `python {SCRIPT} (.*)` \| (\d+) at (\d+) \|$", GUIDE, re.MULTILINE)
DEFAULTS = dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| ([^|]*) \|[^|]*\|$", GUIDE, re.MULTILINE))
SECONDS = 108


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_audio(folder / "a.wav", melody(pitches(SECONDS * 16)), rate=16000)
    return write_audio(folder / "a.mp3", melody(pitches(SECONDS * 16)), rate=16000)


@pytest.fixture
def place(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every file that the page names; pictures are small unless a line says their
    size."""
    (tmp_path / "input").mkdir()
    for line, *_ in ROWS:
        for name in (word for word in shlex.split(line) if Path(word).suffix):
            if name.endswith((".mp3", ".wav")) and not Path(name).exists():
                (tmp_path / name).unlink(missing_ok=True)
                (tmp_path / name).symlink_to(sound.with_suffix(Path(name).suffix))
            elif name.endswith(".jpg"):
                Image.new("RGB", (48, 64), (90, 60, 30)).save(tmp_path / name)
    config = tmp_path / "config" / "soundreel" / "config.toml"
    config.parent.mkdir(parents=True)
    text = f'work_dir = "{tmp_path / "work"}"\n[options]\nsize = "64x64"\npreset = "ultrafast"\n'
    config.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    return tmp_path


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("classic", ROOT / SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no card."""

    def silent(*_: object) -> None:
        raise EngineUnavailable("no answer")

    monkeypatch.setattr(ComfyClient, "system_stats", silent)
    monkeypatch.setattr(registry, "AUTO_ORDER", ("comfyui", "preview"))


def check(line: str, count: str, rate: str, place: Path) -> str:
    """The one video in its folder is what the page says; returns what engine made it."""
    words = shlex.split(line)
    [made] = (place / "output" / "video").glob("*.mp4")
    info = probe_video(made)
    assert (info.num_frames, info.fps) == (int(count), Fraction(rate))
    width, height = (words[words.index(f"--{side}") + 1] if f"--{side}" in words else "64"
                     for side in ("width", "height"))  # fmt: skip
    frames = int(count) * 16 // int(rate)
    kind = "with_ref" if "--ref-image" in words else "no_ref"
    tag = words[words.index("--settings") + 1] if "--settings" in words else "s2v"
    name = (
        rf"{Path(words[0]).stem}_{width}x{height}_{frames}f_[0-9.]+s_{kind}_{tag}_seed\d+_\d+_\d+"
    )
    assert re.fullmatch(name, made.stem)
    record = json.loads(made.with_suffix(".json").read_text(encoding="utf-8"))
    start = Fraction(words[words.index("--audio-start") + 1]) if "--audio-start" in words else 0
    assert Fraction(record["request"]["start"]) == start
    for flag, field in (("--positive", "prompt"), ("--negative", "negative_prompt")):
        if flag in words:
            assert record["request"][field] == words[words.index(flag) + 1]
    return str(record["engine"]["name"])


def test_the_page_has_commands_and_all_options() -> None:
    assert len(ROWS) == 14
    used = {word for line, *_ in ROWS for word in shlex.split(line) if word.startswith("--")}
    assert used | {"--url"} <= set(DEFAULTS)


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(("line", "count", "rate"), ROWS)
def test_the_command_runs_on_the_preview(
    place: Path, script: ModuleType, capsys: pytest.CaptureFixture[str],
    line: str, count: str, rate: str,
) -> None:  # fmt: skip
    assert script.main(shlex.split(line)) == 0
    assert check(line, count, rate, place) == "preview"
    said = capsys.readouterr().err
    assert "no ComfyUI server answers" in said
    assert ("--interpolate flow in its place" in said) is ("film" in line)


@pytest.mark.usefixtures("quick_polls")
@pytest.mark.parametrize(("line", "count", "rate"), ROWS)
def test_the_command_runs_on_a_server(
    place: Path, script: ModuleType, line: str, count: str, rate: str
) -> None:
    with FakeComfyUI() as server:
        assert script.main([*shlex.split(line), "--url", server.url]) == 0
        assert server.prompts
    assert check(line, count, rate, place) == "comfyui"


def test_the_defaults_are_those_of_the_page(
    place: Path, script: ModuleType, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (place / "config" / "soundreel" / "config.toml").unlink()
    from soundreel.cli import app

    passed: list[list[str]] = []

    def catch(args: list[str]) -> int:
        passed.append(args)
        return 0

    monkeypatch.setattr(app, "run", catch)
    assert script.main(["input/music.mp3", "--engine", "comfyui"]) == 0
    [[_, *words]] = passed
    assert run(["plan", *words, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    size = f"{DEFAULTS['--width']}x{DEFAULTS['--height']}"
    assert "x".join(map(str, plan["size"])) == size
    assert plan["frames"] == int(DEFAULTS["--frames"].partition(",")[0])
    assert plan["start"] == DEFAULTS["--audio-start"]
    assert plan["interpolation"]["method"] == DEFAULTS["--interpolate"]
    assert run(["generate", "--help"]) == 0
    helped = " ".join(capsys.readouterr().out.split())
    for flag in ("--crf", "--settings", "--url"):
        [default] = re.findall(rf" {flag} [^\[]*\[([^;\]]*)", helped)
        assert default == DEFAULTS[flag]
