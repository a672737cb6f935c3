"""The sound as loud as asked: measured as R 128 says, by one gain, under the peak that it permits.

The signals are those of EBU Tech 3341-2016 (table 1), which says what a meter must show of them,
within 0.1 LU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media_factory import sine, write_audio
from oracle import decoded, run_ffmpeg_saying
from soundreel.api import generate, plan
from soundreel.audio.loudness import measure
from soundreel.audio.segment import read_clip
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError
from soundreel.events import Event, FrameDone, Notice, RunControl
from soundreel.types import Encoding, Loudness, Request

RATE = 48000
Sound = NDArray[np.float32]


def tones(*parts: tuple[float, float], channels: int = 2) -> Sound:
    """1 kHz in all channels: (dBFS of its peak, seconds), one after the other."""
    pieces = [
        10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE)) / RATE)
        for level, seconds in parts
    ]
    return np.repeat(np.concatenate(pieces)[None].astype(np.float32), channels, axis=0)


def blocks(sound: Sound, size: int = 16384) -> Iterator[Sound]:
    yield sound[:, :0]
    for begin in range(0, sound.shape[1], size):
        yield sound[:, begin : begin + size]


def measured(sound: Sound, layout: str = "stereo", target: float = -14) -> Loudness:
    found = measure(blocks(sound), RATE, layout, target)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_the_signals_of_tech_3341_are_measured_as_it_says(
    parts: list[tuple[float, float]], expected: float
) -> None:
    assert measured(tones(*parts)).integrated == pytest.approx(expected, abs=0.1)


def test_surround_channels_weigh_as_the_recommendation_says() -> None:
    """Tech 3341, test 6: -28 dBFS left and right, -24 in the centre, -30 in the surrounds."""
    sound = tones((0, 20), channels=5) * np.float32(
        10 ** (np.array([[-28], [-28], [-24], [-30], [-30]]) / 20)
    )
    assert measured(sound, "5.0").integrated == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("level", [0.0, -30.0, -60.0])
def test_peaks_between_the_samples_are_found(level: float) -> None:
    """A quarter of the rate, 45 degrees off the samples: they reach 3 dB less than the wave does
    (Tech 3341, test 15 and following)."""
    wave = np.sin(2 * np.pi * (np.arange(5 * RATE) / 4 + 1 / 8)) * 10 ** (level / 20)
    wave *= np.minimum(1, np.arange(5 * RATE) / RATE)
    found = measured(np.repeat(wave[None].astype(np.float32), 2, axis=0))
    assert found.true_peak == pytest.approx(level, abs=0.3)
    assert 20 * np.log10(np.abs(wave).max()) < level - 2.9


def test_blocks_of_any_size_give_the_same() -> None:
    sound = tones((-30, 3), (-18, 3))
    whole, cut = (measure(blocks(sound, size), RATE, "stereo", -14) for size in (10**6, 777))
    assert whole == cut


def test_silence_and_a_moment_have_no_loudness() -> None:
    assert measure(blocks(tones((-200, 3))), RATE, "stereo", -14) is None
    assert measure(blocks(tones((-20, 0.3))), RATE, "stereo", -14) is None
    assert measure(iter(()), RATE, "stereo", -14) is None


def test_the_gain_stops_where_the_peaks_would_pass() -> None:
    free = measured(tones((-30, 5)))
    assert free.gain_db == pytest.approx(16, abs=0.1)
    assert free.reached == pytest.approx(-14, abs=0.02)
    spiky = tones((-40, 5))
    spiky[:, 1000] = 0.5
    held = measured(spiky)
    assert held.true_peak + held.gain_db <= -1
    assert held.reached < -14 - 5
    loud = measured(tones((-1, 5)), target=-20)
    assert loud.gain_db < -15


# --- files --------------------------------------------------------------------------------------


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Six seconds of dull noise that breathes, in stereo, at 44.1 kHz."""
    random, count = np.random.default_rng(5), 6 * 44100
    noise = [np.convolve(random.normal(0, 0.3, count), np.hanning(32), "same") for _ in range(2)]
    swell = 0.02 + 0.018 * np.sin(np.linspace(0, 9, count))
    return write_audio(tmp_path / "quiet.wav", (np.stack(noise) * swell).astype(np.float32))


def request_for(audio: Path, output: Path, **encoding: object) -> Request:
    return Request(
        audio=audio, engine="fake", width=64, height=48, seed=3, output=output, fps=Fraction(16),
        encoding=Encoding(**encoding),  # type: ignore[arg-type]
    )  # fmt: skip


def heard(path: Path) -> tuple[float, float]:
    """Integrated loudness and true peak, as ffmpeg says."""
    text = run_ffmpeg_saying(
        "-i", path, "-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-"
    )
    summary = text[text.rindex("Summary:") :]
    numbers = [
        float(match[1]) for match in re.finditer(r"(?:I|Peak): +(-?[0-9.]+) (?:LUFS|dBFS)", summary)
    ]
    return numbers[0], numbers[1]


@pytest.mark.parametrize("codec", ["aac", "flac", "alac"])
def test_the_file_is_as_loud_as_asked(
    quiet: Path, tmp_path: Path, settings: Settings, codec: str
) -> None:
    said: list[Event] = []
    output = tmp_path / "a.mp4"
    request = request_for(quiet, output, loudness=-20, audio_codec=codec)
    before, _ = heard(quiet)
    result = generate(request, settings, control=RunControl(said.append))
    loudness, peak = heard(output)
    assert loudness == pytest.approx(-20, abs=0.15)
    assert peak < -0.5
    found = result.plan.audio.loudness
    assert found is not None
    assert found.integrated == pytest.approx(before, abs=0.1)
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert any("louder for -20 LUFS" in text for text in notices)
    assert not any("finer than" in text for text in notices)


def test_one_gain_for_all_samples(quiet: Path, tmp_path: Path, settings: Settings) -> None:
    request = request_for(quiet, tmp_path / "a.mp4", loudness=-24.5, audio_codec="flac")
    found = generate(request, settings).plan.audio.loudness
    assert found is not None
    stored, source = decoded(tmp_path / "a.mp4", 2), decoded(quiet, 2)
    gain = 10 ** (found.gain_db / 20)
    count = source.shape[1]
    assert np.abs(stored[:, :count] - source * gain).max() < 1.01 / 2**16


def test_what_drives_the_engine_stays_as_it_is(
    quiet: Path, tmp_path: Path, settings: Settings
) -> None:
    plain, louder = (
        plan(request_for(quiet, tmp_path / "a.mp4", loudness=loudness), settings)[0].audio
        for loudness in (None, -14)
    )
    assert louder.loudness is not None
    assert replace(louder, loudness=None) == plain
    assert np.array_equal(read_clip(louder), read_clip(plain))


def test_peaks_that_hold_it_back_are_said(tmp_path: Path, settings: Settings) -> None:
    sound = sine(3, rate=16000, level=0.01)
    sound[:, 8000:8004] = 0.9
    audio = write_audio(tmp_path / "spiky.wav", sound, rate=16000)
    said: list[Event] = []
    made = generate(
        request_for(audio, tmp_path / "a.mp4", loudness="-14 LUFS"),
        settings,
        control=RunControl(said.append),
    )
    assert made.plan.audio.loudness is not None
    assert made.plan.audio.loudness.reached < -30
    assert any("-1 dBTP" in event.message for event in said if isinstance(event, Notice))
    assert heard(tmp_path / "a.mp4")[1] < -0.5


def test_a_part_is_measured_alone(tmp_path: Path, settings: Settings) -> None:
    audio = write_audio(tmp_path / "two.wav", tones((-40, 3), (-20, 3)), rate=RATE)
    request = replace(
        request_for(audio, tmp_path / "a.mp4", loudness=-16),
        start=Fraction(0),
        duration=Fraction(2),
    )
    found = plan(request, settings)[0].audio.loudness
    assert found is not None
    assert found.integrated == pytest.approx(-40, abs=0.2)


def test_a_copy_cannot_be_made_louder() -> None:
    with pytest.raises(InputError, match="as they are") as caught:
        Encoding(loudness=-14, audio_codec="copy")
    assert "encoding.loudness" in caught.value.fields


@pytest.mark.parametrize("value", ["loud", "14", -41, -4, True, "-14 dB", float("nan")])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="LUFS from -40 to -5"):
        Encoding(loudness=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "read"), [("off", None), ("-14", -14), ("-23.5 LUFS", -23.5)])
def test_values(value: str, read: float | None) -> None:
    assert Encoding(loudness=value).loudness == read


def test_a_resumed_job_ends_with_the_same_bytes(
    quiet: Path, tmp_path: Path, settings: Settings
) -> None:
    whole = request_for(quiet, tmp_path / "whole.mp4", loudness=-16)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= 30:
            control.cancel()

    control.on_event = watch
    with pytest.raises(Cancelled):
        generate(broken, settings, control=control)
    assert generate(broken, settings).resumed_chunks == 1
    assert (tmp_path / "whole.mp4").read_bytes() == (tmp_path / "broken.mp4").read_bytes()
