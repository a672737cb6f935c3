"""The waveform's figures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundreel.audio.load import probe
from soundreel.audio.structure.peaks import FULL, peaks

RATE = 8000


@pytest.fixture
def stairs(tmp_path: Path) -> Path:
    """Four seconds in two channels: 0.25 in the left, then 0.5 and 0.75 in the right, silence."""
    sound = np.zeros((4 * RATE, 2), np.float32)
    sound[:RATE, 0] = 0.25
    sound[RATE : 2 * RATE, 1] = -0.5
    sound[2 * RATE : 3 * RATE, 1] = 0.75
    soundfile.write(tmp_path / "stairs.wav", sound, RATE, subtype="FLOAT")
    return tmp_path / "stairs.wav"


def test_peaks_stand_where_the_sound_is_loud(stairs: Path) -> None:
    assert peaks(probe(stairs).clip, 8) == [25, 25, 50, 50, 75, 75, 0, 0]


def test_no_sample_is_lost_between_two_stretches(tmp_path: Path) -> None:
    """A single sample at full scale is in exactly one of 7 stretches of 1000 samples."""
    borders = [index * 1000 // 7 for index in range(8)]
    for place in (0, 141, 142, 500, 857, 999):
        sound = np.zeros(1000, np.float32)
        sound[place] = -1
        soundfile.write(tmp_path / "click.wav", sound, RATE, subtype="FLOAT")
        found = peaks(probe(tmp_path / "click.wav").clip, 7)
        assert found == [FULL if begin <= place < end else 0 for begin, end in pairwise(borders)]


def test_a_sound_of_few_samples_has_few_peaks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(5, 0.5, np.float32), RATE, subtype="FLOAT")
    assert peaks(probe(tmp_path / "short.wav").clip, 800) == [50] * 5
