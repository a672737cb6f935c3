"""`soundreel doctor` as a person meets it, and advice about packages that works here."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from soundreel import installation
from soundreel.cli.app import run
from soundreel.installation import install_command
from soundreel.registry import diagnose


class Installed(Distribution):
    """A distribution of which pip noted where it came from."""

    def __init__(self, origin: object) -> None:
        self._origin = origin

    def read_text(self, filename: str) -> str | None:
        if filename != "direct_url.json" or self._origin is None:
            return None
        return json.dumps(self._origin)

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "'soundreel[wan]'"),
        ({"url": "file:///a%20b", "dir_info": {"editable": True}}, "-e '/a b[wan]'"),
        ({"url": "file:///ab", "dir_info": {}}, "'/ab[wan]'"),
        (
            {"url": "https://x.org/s", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "'soundreel[wan] @ git+https://x.org/s'",
        ),
        (
            {"url": "file:///s.whl", "archive_info": {}},
            "'soundreel[wan] @ file:///s.whl'",
        ),
    ],
)
def test_packages_come_from_where_soundreel_came(
    origin: object, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "distribution", lambda _: Installed(origin))
    assert install_command("wan").endswith(f" install {wanted}")


def test_in_a_clone_it_is_the_short_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    origin = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    monkeypatch.setattr(installation, "distribution", lambda _: Installed(origin))
    own = Path(sys.executable).parent / "pip"
    monkeypatch.setattr(shutil, "which", lambda _: str(own))
    assert install_command("wan") == "pip install -e '.[wan]'"
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/pip")
    assert install_command("wan") == f"{sys.executable} -m pip install -e '.[wan]'"


@pytest.mark.parametrize("width", ["40", "80"])
def test_what_is_to_be_copied_stands_on_one_line(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert run(["doctor"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "soundreel models pull" in lines
    assert "or do without: --sampling-preset quality" in lines
    assert any(line.startswith("missing  http://127.0.0.1:8188: no answer from") for line in lines)


def test_where_things_are_and_whether_portraits_speak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.toml").write_text(f'work_dir = "{tmp_path / "jobs"}"\n')
    assert run(["doctor", "--config", str(tmp_path / "my.toml")]) == 0
    shown = capsys.readouterr().out
    assert f"config file:     {tmp_path / 'my.toml'}\n" in shown
    assert f"unfinished jobs: {tmp_path / 'jobs'} (" in shown
    assert "videos:          " in shown
    assert "speaking portrait: works" in shown
    assert run(["doctor", "--json", "--config", str(tmp_path / "my.toml")]) == 0
    assert "unfinished jobs" in json.loads(capsys.readouterr().out)["machine"]


def test_a_portrait_that_cannot_speak_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    monkeypatch.setitem(sys.modules, "hama.asr", None)
    check = diagnose("preview", settings)[-1]  # type: ignore[arg-type]
    assert (check.ok, check.serves) == (False, True)
    assert "their mouths stay still" in check.hint
