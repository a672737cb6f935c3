"""`doctor --report`: what a bug report needs, and nothing private."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soundreel.cli.app import run
from soundreel.cli.commands import bugreport
from soundreel.safe import secrets

SECRET = "s3cr3tValue"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_kept", {})
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "no"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no"))
    monkeypatch.setenv("HOME", str(tmp_path / "home-of-me"))
    monkeypatch.chdir(tmp_path)


def report(tmp_path: Path, *words: str) -> str:
    path = tmp_path / "report.md"
    run(["doctor", "--report", str(path), *words])
    return path.read_text(encoding="utf-8")


def test_it_tells_what_is_asked_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.safetensors").write_bytes(b"x")
    text = report(tmp_path, "--models-dir", str(models), "--url", "http://127.0.0.1:9")
    for told in (
        *("python 3", "soundreel ", "numpy ", "CPU cores", "libavcodec", "encoders: libx264"),
        *("wan: ", "comfyui: ", "preview: ok", "url = http://127.0.0.1:9", "broken.safetensors"),
    ):
        assert told in text
    assert "cannot be told" not in text
    assert "report written" in capsys.readouterr().out


def test_nothing_private_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f"# token = 'old-{SECRET}'\n"
        f"token = '{SECRET}'\n"
        f"url = 'http://me:pa-{SECRET}@127.0.0.1:9'\n"
        "[options]\nprompt = 'a \x7f fox'\n".replace("\x7f", "\\u001b")
        .replace("'a", '"a')
        .replace("fox'", 'fox"')
    )
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HF_ENDPOINT", f"https://u:{SECRET}@mirror")
    monkeypatch.setenv("SOUNDREEL_TOKEN", SECRET + "2")
    models = tmp_path / "home-of-me" / "models"
    models.mkdir(parents=True)
    text = report(tmp_path, "--config", str(config), "--models-dir", str(models))
    assert SECRET not in text
    assert "HF_TOKEN is set" in text
    assert "token is set" in text
    assert "options.prompt = " in text
    assert "\x1b" not in text
    assert "home-of-me" not in text
    assert f"looked in ~{os.sep}models" in text


def test_one_broken_part_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise RuntimeError(f"driver broken, token={SECRET}")

    monkeypatch.setattr(bugreport, "_graphics", fail)
    text = report(tmp_path)
    assert "cannot be told: RuntimeError: driver broken" in text
    assert "libavcodec" in text
    assert SECRET not in text


def test_only_a_report_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(tmp_path)
    report(tmp_path)
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF")
    assert run(["doctor", "--report", str(song)]) == 2
    assert song.read_bytes() == b"RIFF"
    assert "is not a report" in capsys.readouterr().err
