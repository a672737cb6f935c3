"""Reading a long sound is told, and stops when it is asked to."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from media_factory import noise, write_audio
from soundreel.audio.load import probe
from soundreel.audio.reading import decode
from soundreel.errors import Cancelled, EngineError
from soundreel.events import Event, RunControl, SoundRead


@pytest.fixture
def long_sound(tmp_path: Path) -> Path:
    """AC-3 is decoded from its start, and takes a while."""
    hours = np.tile(noise(10, rate=48000, channels=2), 30)
    return write_audio(tmp_path / "a.ac3", hours, 48000, codec="ac3", bit_rate=192_000)


def test_progress_is_told_and_a_stop_is_heard(
    long_sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "_TELL_S", 0)
    told: list[SoundRead] = []

    def hear(event: Event) -> None:
        if isinstance(event, SoundRead):
            told.append(event)
            if len(told) == 5:
                control.cancel()

    control = RunControl(hear)
    with pytest.raises(Cancelled):
        probe(long_sound, control=control)
    assert [event.seconds for event in told] == sorted(event.seconds for event in told)
    assert len(told) == 5


def test_the_time_limit_is_heard_while_a_sound_is_read(long_sound: Path) -> None:
    control = RunControl()
    control.stop_after(0.0)
    begun = time.process_time()
    with pytest.raises(EngineError, match="timeout"):
        probe(long_sound, control=control)
    assert time.process_time() - begun < 1
