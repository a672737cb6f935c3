"""The docs say what the program says, and their links and examples hold."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from media_factory import sine, write_audio
from soundreel import registry
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.types import Request

ROOT = Path(__file__).parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


update_docs = load(ROOT / "scripts" / "update_docs.py")
PAGES = update_docs.documents()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_help_is_what_the_program_prints(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == update_docs.updated(page), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_engine_of_the_guide_works(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "writing-an-engine.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "grey_engine.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(
        registry._BUILT_IN["sound"],
        "grey",
        ("grey_engine:GreyEngine", "grey_engine:GreyOptions"),
    )
    sound = write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000)
    request = Request(audio=sound, engine="grey", width=32, height=32, output=tmp_path / "a.mp4")
    assert generate(request, settings).plan.num_frames == 16
    sys.modules.pop("grey_engine", None)


PYTHON = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "quickstart.md")
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize("code", PYTHON)
def test_python_in_the_docs_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, in a folder with the files that it names; a song of a second is enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDREEL_URL", "http://127.0.0.1:9")
    write_audio(tmp_path / "song.wav", sine(1, rate=16000), rate=16000).rename("song.mp3")
    Image.new("RGB", (64, 64), "teal").save("singer.png")
    exec(compile(code, "example", "exec"), {"__name__": "__main__"})
    assert "Error" not in capsys.readouterr().err
    if "generate" in code:
        assert list(tmp_path.rglob("*.mp4"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_are_ones_the_program_knows(page: Path) -> None:
    """Every option on a `soundreel ...` line of a shell block exists."""
    known = set(
        re.findall(r"--[a-z][a-z0-9-]+", update_docs.output_of("soundreel generate --help"))
    )
    for command in (
        "plan",
        "image-to-video",
        "remake",
        "interpolate",
        "probe",
        "check",
        "compare",
        "doctor",
        "serve",
        "mcp",
        "models",
        "models list",
        "models pull",
        "jobs remove",
    ):
        help_text = update_docs.output_of(f"soundreel {command} --help")
        known |= set(re.findall(r"--[a-z][a-z0-9-]+", help_text))
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"\s*(\$ )?(\.venv/bin/)?soundreel ", line):
                used = set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]+", line.split(" #")[0]))
                assert used <= known, line
