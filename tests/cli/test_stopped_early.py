"""Ctrl-C in the first second: while the program loads, reads its options, opens files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from media_factory import sine, write_audio

CODE = "from soundreel.cli.start import main; print('here', flush=True); main()"


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process")
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.8])
def test_an_early_stop_shows_no_traceback(tmp_path: Path, delay: float) -> None:
    sound = write_audio(tmp_path / "a.wav", sine(600, rate=16000), rate=16000)
    command = [sys.executable, "-c", CODE, str(sound), "--engine", "preview", "--size", "64x64"]
    places = ["--work-dir", str(tmp_path / "work"), "-o", str(tmp_path / "a.mp4")]
    with subprocess.Popen(
        [*command, *places], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stopped" in said
