"""`generate --check`: the verdict at the end of a job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fakes import sidecar_of
from media_factory import speech_like, write_audio
from soundreel.api import generate
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.types import Request


def test_the_verdict_stands_in_the_result_and_the_sidecar_but_not_in_the_file(
    tmp_path: Path, settings: Settings
) -> None:
    sound = write_audio(tmp_path / "a.wav", speech_like(8, rate=16000, seed=2), 16000)
    request = Request(
        audio=sound, engine="preview", seed=1, start=2, output=tmp_path / "a.mp4", size="160x208"
    )
    plain = generate(request, settings)
    bytes_without = plain.path.read_bytes()
    assert plain.check is None
    assert "check" not in sidecar_of(plain.path)
    result = generate(request, settings, check=True, overwrite=True)
    assert result.check is not None
    assert result.check["verdict"] in ("ok", "note"), result.check
    assert {"offset", "samples", "tail"} <= {line["name"] for line in result.check["lines"]}
    assert sidecar_of(result.path)["check"] == json.loads(json.dumps(result.check))
    assert result.path.read_bytes() == bytes_without
    assert "check" in result.timings


def test_a_file_that_fails_is_kept_and_said_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine's pictures are black."""
    sound = write_audio(tmp_path / "a.wav", speech_like(4, rate=16000), 16000)
    monkeypatch.setattr("fakes.FakeSession._picture", lambda self, level, chunk: self.black)
    monkeypatch.setattr("fakes.FakeSession.black", np.zeros((208, 160, 3), np.uint8), raising=False)
    words = ["--engine", "fake", "--size", "160x208", "--work-dir", str(tmp_path / "work")]
    target = tmp_path / "a.mp4"
    assert run([str(sound), *words, "-o", str(target), "--check"]) == 1
    shown = capsys.readouterr().out
    assert "lines fail" in shown
    assert "whole video is black" in shown
    assert target.exists()
    assert run([str(sound), *words, "-o", str(target), "--overwrite"]) == 0
