"""Folders that may not be entered, and a current folder that is gone: said as what they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import run

FAKE = ("--engine", "fake", "--size", "64x48", "--seed", "3")


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder closed to this process, whoever runs the test."""
    folder = tmp_path / "locked"
    folder.mkdir()

    def closed(real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Any, *args: Any, **more: Any) -> Any:
            if isinstance(path, (str, Path)) and folder in Path(path).parents:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **more)

        return guarded

    for name in ("stat", "lstat", "mkdir", "open", "listdir", "scandir"):
        monkeypatch.setattr(os, name, closed(getattr(os, name)))
    monkeypatch.chdir(tmp_path)
    write_audio(tmp_path / "song.wav", sine(0.3, rate=16000), rate=16000)
    return folder


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["song.wav", *FAKE, "--work-dir", "locked/w"], 4),
        (["song.wav", *FAKE, "--work-dir", "w", "--output-dir", "locked/o"], 4),
        (["song.wav", *FAKE, "--work-dir", "w", "-o", "locked/o.mp4"], 4),
        (["plan", "song.wav", *FAKE, "--image", "locked/a.png"], 2),
        (["plan", "--from", "locked/a.json"], 2),
        (["plan", "song.wav", "--engine", "comfyui", "--workflow", "locked/a.json"], 2),
        (["plan", "song.wav", "--engine", "wan", "--pose-video", "locked/a.mp4"], 2),
        (["plan", "song.wav", "--engine", "wan", "--model", "locked/a.safetensors"], 2),
    ],
    ids=lambda value: value[-2] if isinstance(value, list) else "",
)
def test_a_locked_folder_is_said_with_its_reason(
    locked: Path, capsys: pytest.CaptureFixture[str], given: list[str], code: int
) -> None:
    """Relative names are given whole, since the guard above knows them by their parents."""
    words = [str(locked.parent / word) if word.startswith("locked/") else word for word in given]
    assert run(words) == code
    said = capsys.readouterr().err
    assert "ermission denied" in said or "may not be read" in said
    assert "Traceback" not in said
    assert "cannot print" not in said


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a current folder")
def test_a_current_folder_that_is_gone_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = write_audio(tmp_path / "song.wav", sine(0.3, rate=16000), rate=16000)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert run([str(sound), *FAKE, "--work-dir", str(tmp_path / "w")]) == 4
    finally:
        os.chdir(tmp_path)
    assert "the current folder is gone" in capsys.readouterr().err
