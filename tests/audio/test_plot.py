"""The picture of a sound shows what is where."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from audio.songs import RATE, pop
from media_factory import silence, write_audio
from soundreel.audio.load import probe
from soundreel.audio.structure.plot import (
    BEATS,
    CUTS,
    LEFT,
    LEVEL,
    PARTS,
    RIGHT,
    SHOTS,
    WIDTH,
    plot,
)

BOUNDS = (Fraction(4), Fraction(12))


def test_sections_shots_and_bars_stand_at_their_times(tmp_path: Path) -> None:
    song = pop()
    clip = probe(write_audio(tmp_path / "pop.wav", song.sound, RATE)).clip
    picture = np.asarray(plot(clip, BOUNDS)).astype(int)
    assert picture.shape == (860, 1600, 3)
    seconds = float(clip.duration)

    def column(time: float) -> int:
        return LEFT + int(time / seconds * (WIDTH - RIGHT - LEFT))

    for border in song.sections:
        left, right = picture[PARTS.bottom - 4, [column(border) - 6, column(border) + 6]]
        assert np.abs(left - right).max() > 20
    bars = picture[BEATS.top + 4]
    bright = {x for x in range(LEFT, WIDTH - RIGHT) if bars[x].sum() > 400}
    found = [any(column(t) + d in bright for d in (-1, 0, 1)) for t in song.downbeats]
    assert np.mean(found) > 0.95
    shots = {tuple(pixel) for pixel in picture[CUTS.bottom - 4, LEFT : WIDTH - RIGHT].tolist()}
    assert set(SHOTS) <= shots


def test_silence_is_a_flat_line(tmp_path: Path) -> None:
    clip = probe(write_audio(tmp_path / "a.wav", silence(3))).clip
    picture = np.asarray(plot(clip, BOUNDS)).astype(int)
    assert len(np.unique(picture[LEVEL.top + 20, LEFT : WIDTH - RIGHT], axis=0)) == 1
