"""The spectrum and the wave of a frame: the right bar, the right frame, the same from anywhere."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_factory import clicks, sine, write_audio
from soundreel.audio.features import analyse
from soundreel.audio.load import probe
from soundreel.engines.preview.drive.scope import BEFORE_S, triggered
from soundreel.engines.preview.drive.sound import BLOCK_S, Sound, fallen

RATE = 16000


def sound_of(path: Path, samples: object, fps: int, rate: int = RATE) -> Sound:
    clip = probe(write_audio(path, samples, rate=rate)).clip  # type: ignore[arg-type]
    return Sound(clip, Fraction(fps), analyse(clip, Fraction(fps), int(clip.duration * fps)))


@pytest.mark.parametrize("fps", [16, 60])
@pytest.mark.parametrize("hz", [80, 440, 3000])
def test_a_sine_lights_its_own_bar(tmp_path: Path, hz: int, fps: int) -> None:
    sound = sound_of(tmp_path / "a.wav", sine(1.5, hz, rate=RATE), fps)
    levels, peaks = sound.bars(fps, 48)
    edges = sound.band_hz[::2]
    own = int(np.searchsorted(edges, hz)) - 1
    assert levels[own] > 0.9
    assert levels[own] == levels.max()
    away = np.abs(np.arange(48) - own) * np.log2(edges[1] / edges[0])
    assert levels[away > 0.8].max() < 0.4
    assert levels[away > 1.2].max() < 0.05
    assert (peaks >= levels).all()


@pytest.mark.parametrize("fps", [16, 25, 60])
@pytest.mark.parametrize("place", [0.02, 0.98])
def test_bars_rise_on_the_frame_that_holds_the_click(
    tmp_path: Path, fps: int, place: float
) -> None:
    """However early or late in it."""
    frame = fps
    sound = sound_of(tmp_path / "a.wav", clicks(2, [(frame + place) / fps], rate=RATE), fps)
    means = [float(sound.bars(i, 24)[0].mean()) for i in range(frame - 3, frame + 1)]
    assert max(means[:3]) < 0.02
    assert means[3] > 0.15


def test_blocks_meet_without_a_seam(tmp_path: Path) -> None:
    """What falls over a block's border falls as if there were none."""
    fps = 10
    border = round(BLOCK_S * fps)
    struck = clicks(BLOCK_S + 2, [(border - 2) / fps + 0.01], rate=RATE)
    late = sound_of(tmp_path / "a.wav", struck, fps)
    after = late.bars(border, 24)
    early = [sound_of(tmp_path / "b.wav", struck, fps).bars(i, 24) for i in (border - 2, border)]
    np.testing.assert_array_equal(after, early[1])
    assert (early[0][0] > 0.1).any()
    assert (after[1] >= after[0]).all()
    assert after[1].max() > after[0].max()


def test_a_fall_does_not_depend_on_where_one_begins_to_look() -> None:
    heights = np.zeros((40, 1), np.float32)
    heights[10], heights[14] = 1, 0.6
    whole = fallen(heights, 20, 0.2, 0, 2.0)
    np.testing.assert_array_equal(whole[5:], fallen(heights[5:], 20, 0.2, 0, 2.0))
    assert whole[:10].max() == 0
    assert (whole[10:15] == 1).all()
    assert (np.diff(whole[15:], axis=0) <= 0).all()
    assert whole[-1] == 0


@pytest.mark.parametrize("hz", [110, 333, 987.3])
def test_a_held_tone_stands_still_on_the_scope(tmp_path: Path, hz: float) -> None:
    fps = 50
    sound = sound_of(tmp_path / "a.wav", sine(2, hz, rate=48000), fps, rate=48000)
    own = len(sound.wave(20))
    shown = [triggered(sound.wave(i, BEFORE_S), own, 700, 48000) for i in (20, 33, 61)]
    loud = float(np.abs(shown[0]).max())
    for other in shown[1:]:
        assert np.abs(other - shown[0]).max() < 0.12 * loud


@pytest.mark.parametrize("place", [0.05, 0.5, 0.97])
def test_the_scope_shows_a_click_wherever_it_lies_in_the_frame(
    tmp_path: Path, place: float
) -> None:
    fps = 25
    sound = sound_of(tmp_path / "a.wav", clicks(2, [(20 + place) / fps], rate=RATE), fps)
    seen = [
        float(np.abs(triggered(sound.wave(i, BEFORE_S), 640, 320, RATE)).max()) for i in (19, 20)
    ]
    assert seen[0] < 0.01
    assert seen[1] > 0.2
