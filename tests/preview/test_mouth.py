"""From speech to the shape of the mouth: in time, shut in silence and in music."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media_factory import features_of, write_audio
from soundreel.engines.preview.portrait.phonemes import (
    Recogniser,
    Speech,
    frame_loudness,
    frame_shapes,
    in_company,
    keys_of,
)
from soundreel.types import AudioClip

SPEECH = Path(__file__).parents[2] / "examples" / "speech.wav"
RATE = 16_000


def clip_of(path: Path, seconds: Fraction, start: Fraction = Fraction(0)) -> AudioClip:
    return AudioClip(path, start, seconds, seconds, RATE, 1)


def mouth_of(path: Path, seconds: Fraction, fps: Fraction) -> tuple[Speech, NDArray[np.float32]]:
    """The mouth and the loudness of a file's first seconds."""
    count = int(seconds * fps)
    rms = features_of(path, Fraction(0), fps, count).rms
    return Speech(count, fps, rms, Recogniser(clip_of(path, seconds)).listen), rms


def lag_of(follower: NDArray[np.floating], leader: NDArray[np.floating]) -> int:
    """Frames by which the first comes after the second, where they agree best."""
    n = len(leader)

    def agreement(lag: int) -> float:
        a, b = follower[max(0, lag) : n + min(0, lag)], leader[max(0, -lag) : n - max(0, lag)]
        return float(np.corrcoef(a, b)[0, 1])

    return max(range(-5, 6), key=agreement)


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(25)])
def test_mouth_opens_with_the_speech_without_lag(fps: Fraction) -> None:
    speech, rms = mouth_of(SPEECH, Fraction(7), fps)
    opening = np.array([speech.shape(i).opening for i in range(len(rms))])
    assert opening.max() > 0.6
    assert lag_of(opening, rms) == 0


def test_vowels_open_and_closures_close() -> None:
    """The file says: And Mrs John Dashwood had then leisure to consider how much ..."""
    speech, _ = mouth_of(SPEECH, Fraction(7), Fraction(25))
    shapes = [speech.shape(i) for i in range(175)]
    assert max(shape.opening for shape in shapes[20:24]) > 0.5  # "John", an open vowel
    for second in (0.42, 4.06, 5.03):  # Mrs, much, prudently
        closed = shapes[int(second * 25)]
        assert closed.press == 1
        assert closed.opening == 0
    assert max(shape.rounding for shape in shapes[33:40]) > 0.8  # "-wood"


def test_mouth_is_shut_in_silence_even_if_a_phoneme_is_near() -> None:
    rms = np.full(40, 0.1, np.float32)
    rms[20:] = 0
    speech = Speech(40, Fraction(20), rms, lambda begin, end: [(0.9, "a"), (1.1, "a"), (1.5, "a")])
    assert speech.shape(18).opening > 0.5
    assert all(speech.shape(i).opening == 0 for i in range(20, 40))


def test_mouth_stays_shut_in_music(tmp_path: Path) -> None:
    """Plucked chords, a vibrato lead and drums: no phonemes, so no movement at all."""
    time = np.arange(6 * RATE) / RATE
    beat = time % 0.5
    chords = sum(
        np.sin(2 * np.pi * note * k * time) / k for note in (220, 277, 330) for k in range(1, 6)
    )
    lead = np.sin(2 * np.pi * 660 * time + 0.4 * np.sin(2 * np.pi * 5.5 * time))
    drums = np.random.default_rng(1).normal(0, 1, len(time)) * np.exp(-beat * 30)
    sound = 0.08 * chords * np.exp(-beat * 3) + 0.1 * lead + 0.2 * drums
    path = write_audio(tmp_path / "music.wav", sound.astype(np.float32)[None], rate=RATE)
    speech, rms = mouth_of(path, Fraction(6), Fraction(16))
    assert rms.max() > 0.1
    assert all(speech.shape(i).opening == 0 == speech.shape(i).press for i in range(len(rms)))


def test_phonemes_that_stand_alone_are_not_speech() -> None:
    row = [(1.0, "h"), (1.1, "a"), (1.3, "ɪ")]
    assert in_company([(0.1, "t"), *row, (3.0, "a"), (3.2, "n")]) == row


def test_frames_do_not_depend_on_the_order_or_the_thread_they_are_asked_in() -> None:
    """Longer than one window of listening."""
    fps, count = Fraction(16), 190
    clip = AudioClip(SPEECH, Fraction(0), Fraction(count, 16), Fraction(71, 10), RATE, 1)
    rms = np.full(count, 0.1, np.float32)
    one = Speech(count, fps, rms, Recogniser(clip).listen)
    forward = [one.shape(i) for i in range(count)]
    other = Speech(count, fps, rms, Recogniser(clip).listen)
    with ThreadPoolExecutor(4) as pool:
        backward = list(pool.map(other.shape, reversed(range(count))))
    assert backward[::-1] == forward


def test_each_window_is_heard_once_and_only_when_needed() -> None:
    heard: list[tuple[Fraction, Fraction]] = []

    def listen(begin: Fraction, end: Fraction) -> list[tuple[float, str]]:
        heard.append((begin, end))
        return []

    speech = Speech(16 * 60, Fraction(16), np.full(16 * 60, 0.1, np.float32), listen)
    for i in (16 * 26, 16 * 29, 16 * 30 - 1):
        speech.shape(i)
    assert heard == [(Fraction(47, 2), Fraction(65, 2))]


def test_a_smile_is_put_away_before_the_first_sound_and_comes_back_after_the_last() -> None:
    """Words from 10.0 to 11.0 s, over the border of two windows of listening only with its end."""
    fps, words = Fraction(16), [(10.0, "a"), (10.5, "m"), (11.0, "a")]

    def listen(begin: Fraction, end: Fraction) -> list[tuple[float, str]]:
        return [(time, symbol) for time, symbol in words if begin <= time < end]

    speech = Speech(16 * 20, fps, np.full(16 * 20, 0.1, np.float32), listen)
    composed = [speech.shape(i).composed for i in range(16 * 20)]
    assert max(composed[: 16 * 9]) == 0
    assert composed[16 * 10 - 3] == 1
    assert composed[round(16 * 12.2)] == 1
    assert max(composed[16 * 14 :]) == 0
    assert np.abs(np.diff(composed)).max() < 0.35


def test_speech_over_music_keeps_the_mouth(tmp_path: Path) -> None:
    """A chord and drums a quarter as loud in power as the voice (6 dB below)."""
    voice, rate = soundfile.read(str(SPEECH))
    time = np.arange(len(voice)) / rate
    chord = sum(np.sin(2 * np.pi * note * time) for note in (110, 220, 277, 330))
    drums = np.random.default_rng(1).normal(0, 3, len(time)) * np.exp(-(time % 0.5) * 30)
    music = chord + drums
    music *= 0.5 * np.sqrt((voice**2).mean() / (music**2).mean())
    path = write_audio(
        tmp_path / "mix.wav", (0.7 * (voice + music)).astype(np.float32)[None], rate=rate
    )
    alone, _ = mouth_of(SPEECH, Fraction(7), Fraction(16))
    over, _ = mouth_of(path, Fraction(7), Fraction(16))
    a, b = (np.array([s.shape(i).opening for i in range(16 * 7)]) for s in (alone, over))
    assert float(np.corrcoef(a, b)[0, 1]) > 0.75


def test_a_clip_inside_a_file_hears_the_words_at_its_place() -> None:
    fps = Fraction(16)
    rms = features_of(SPEECH, Fraction(3), fps, 32).rms
    part = Speech(32, fps, rms, Recogniser(clip_of(SPEECH, Fraction(2), Fraction(3))).listen)
    opening = np.array([part.shape(i).opening for i in range(32)])
    assert lag_of(opening, rms) == 0


def test_diphthongs_and_affricates_move_from_one_shape_to_the_next() -> None:
    keys = keys_of(["<blank>", "aʊ", "aʊ", "<blank>", "<wb>", "t͡ʃ", "ː"], 0.0)
    assert [symbol for _, symbol in keys] == ["a", "ʊ", "t", "ʃ"]
    times = [time for time, _ in keys]
    assert times == sorted(times)


def test_a_mouth_without_phonemes_rests() -> None:
    assert not frame_shapes([], 0, 30, Fraction(30)).any()


def test_loudness_is_exactly_zero_in_silence_at_any_rate() -> None:
    rms = np.zeros(120, np.float32)
    rms[:60] = 0.2
    for fps in (8.0, 16.0, 60.0):
        loudness = frame_loudness(rms, fps)
        assert loudness[30] == pytest.approx(1, abs=0.01)
        assert not loudness[60:].any()
