"""Shared by all suites: no test touches the user's own settings, folders or network."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import fakes
from media_factory import sine, write_audio
from soundreel.config import Settings

os.environ.setdefault("OMP_NUM_THREADS", "2")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a script's `&` starts us. Programs that tests stop with Ctrl-C would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """By now PyTorch and its libraries are imported: the collector, which the wan engine runs
    between its models, need not walk them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SOUNDREEL_")]:
        if name not in ("SOUNDREEL_REFERENCE", "SOUNDREEL_COMFYUI_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True, scope="session")
def _fake_engine() -> None:
    fakes.register()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A machine of its own: nothing outside the test's folder, no server."""
    return Settings(
        work_dir=tmp_path / "work", output_dir=tmp_path / "out", url="http://127.0.0.1:9"
    )


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Five seconds of a sine whose loudness rises: no two frames sound alike."""
    rising = sine(5, rate=16000, level=0.9) * np.linspace(0, 1, 5 * 16000, dtype=np.float32)
    return write_audio(tmp_path / "tone.wav", rising, rate=16000)
