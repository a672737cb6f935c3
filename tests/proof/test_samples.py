"""Lost and added samples are those of the file, not what a codec does to its tones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media_factory import RATE, Samples, write_audio, write_video
from oracle import make
from soundreel.proof.check import check


def bass_drum(seconds: float) -> Samples:
    """A tone that falls to 45 Hz, twice a second, and nothing above it."""
    time = np.arange(round(seconds * RATE)) / RATE % 0.5
    fall = 45 * time + 1.8 * (1 - np.exp(-time / 0.03))
    sound = 0.7 * np.sin(2 * np.pi * fall) * np.exp(-time / 0.1)
    return sound[None].astype(np.float32)


@pytest.mark.parametrize(("gone", "lost"), [(0, 0), (441, 480)])
def test_opus_turns_the_phase_of_low_tones_and_loses_nothing(
    tmp_path: Path, gone: int, lost: int
) -> None:
    """44.1 kHz become 48, and its filter lets a bass drum come up to 10 samples early."""
    whole = bass_drum(4)
    at = whole.shape[1] // 2
    heard = np.concatenate([whole[:, :at], whole[:, at + gone :]], axis=1)
    source, cut = write_audio(tmp_path / "a.wav", whole), write_audio(tmp_path / "b.wav", heard)
    still = write_video(tmp_path / "still.mp4", 64)
    path = make(tmp_path / "drum.mkv", "-i", still, "-i", cut, "-map", "0:v", "-map", "1:a",
                "-c:v", "copy", "-c:a", "libopus", "-b:a", "64k")  # fmt: skip
    said = {line.name: line for line in check(path, source).lines}
    assert said["offset"].word == "ok"
    figures = said["samples"].figures
    assert figures["lost_samples"] - figures["added_samples"] == lost
    assert said["samples"].word == ("fail" if lost else "ok")
