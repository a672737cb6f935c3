"""The mono sound holds what is heard, whatever the channels do to each other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_factory import RATE, Samples, noise, silence, speech_like, write_audio
from soundreel.audio.load import probe
from soundreel.audio.mix import choose_mix
from soundreel.audio.segment import read_clip
from soundreel.types import AudioClip


def voice(seconds: float = 4, seed: int = 0) -> Samples:
    return speech_like(seconds, seed=seed)


def clip_of(folder: Path, channels: list[Samples]) -> AudioClip:
    path = write_audio(folder / "a.wav", np.concatenate(channels), codec="pcm_f32le")
    clip = probe(path).clip
    return replace(clip, mix=choose_mix(clip))


def level(sound: Samples) -> float:
    return float(np.sqrt((sound**2).mean()))


@pytest.mark.parametrize("share", [1.0, 0.98])
def test_opposite_channels_are_heard(tmp_path: Path, share: float) -> None:
    sound = voice()
    clip = clip_of(tmp_path, [sound, -share * sound])
    mono = read_clip(clip, mono=True)
    assert level(mono) > 0.8 * level(sound)
    assert abs(np.corrcoef(mono[0], sound[0])[0, 1]) > 0.99


def test_a_recording_that_cancels_in_a_part_of_it_is_heard_in_all_of_it(tmp_path: Path) -> None:
    sound = voice(8)
    turned = sound.copy()
    turned[:, 5 * RATE :] *= -1
    mono = read_clip(clip_of(tmp_path, [sound, turned]), mono=True)
    for begin in (1, 6):
        part = slice(begin * RATE, (begin + 2) * RATE)
        assert level(mono[:, part]) > 0.8 * level(sound[:, part])


def test_one_voice_in_a_file_of_six_channels_is_heard(tmp_path: Path) -> None:
    sound = voice()
    others = [silence(4) for _ in range(5)]
    mono = read_clip(clip_of(tmp_path, [*others[:2], sound, *others[2:]]), mono=True)
    assert level(mono) > 0.8 * level(sound)


def test_ordinary_sound_keeps_its_average(tmp_path: Path) -> None:
    left, right = voice(seed=1), voice(seed=2)
    for channels in (
        [left, left],
        [left, right],
        [left, silence(4)],
        [left, 0.1 * left + 0.9 * right],
        [left, right, 0.5 * (left + right), silence(4), 0.3 * left, 0.3 * right],
        [silence(4), silence(4)],
        [left],
    ):
        assert clip_of(tmp_path, channels).mix == ()


def test_the_weights_are_those_of_the_clip_in_every_part_of_it(tmp_path: Path) -> None:
    sound = voice(6)
    hiss = noise(6, channels=1, level=0.01)
    clip = clip_of(tmp_path, [sound, hiss - sound])
    assert clip.mix == choose_mix(replace(clip, mix=()))
    whole = read_clip(clip, mono=True)
    part = read_clip(clip, Fraction(2), Fraction(1), mono=True)
    np.testing.assert_array_equal(part, whole[:, 2 * RATE : 3 * RATE])
