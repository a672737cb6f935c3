"""The sound that is sent for a chunk: where it lies, how loud it is, when it is heard."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.engines.comfyui.hearing import level
from soundreel.engines.comfyui.hearing.level import WINDOW, even_length
from soundreel.engines.comfyui.hearing.window import WHOLE, SoundWindows, Span
from soundreel.timeline.plan import cut_shot, make_plan
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request, Shot

GEOMETRY = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3, size_multiple=16)
RATE, BUCKET = 16000, 1000


def plan_for(path: Path, frames: int, start: Fraction = Fraction(0)) -> Plan:
    duration = Fraction(frames, 16)
    clip = AudioClip(path, start, duration, duration, RATE, 1)
    return make_plan(Request(audio=path), GEOMETRY, clip, frames)


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples.astype(np.float32), RATE, subtype="FLOAT")
    return path


def normalised(samples: np.ndarray) -> np.ndarray:
    """What the server's audio encoder does to every upload."""
    wide = samples.astype(np.float64)
    return (wide - wide.mean()) / np.sqrt(wide.var(ddof=1) + 1e-7)


def upload(windows: SoundWindows, plan: Plan, index: int) -> tuple[np.ndarray, Span, int]:
    chunk = plan.chunks[index]
    data, latents = windows.wav(chunk)
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == RATE
    return samples, windows.span(chunk), latents


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Three minutes with a passage at -60 dB, a burst, and a constant offset."""
    rng = np.random.default_rng(1)
    samples = 0.1 * rng.standard_normal(180 * RATE).clip(-3, 3)
    samples[40 * RATE : 95 * RATE] *= 0.001
    samples[140 * RATE : 143 * RATE] *= 1.5
    samples += 0.004
    samples = samples.astype(np.float32)
    return write(tmp_path_factory.mktemp("sound") / "uneven.wav", samples), samples


def test_a_minute_is_sent_whole_and_the_same_for_every_chunk(tmp_path: Path) -> None:
    sound = 0.2 * np.random.default_rng(0).standard_normal(50 * RATE).clip(-3, 3)
    plan = plan_for(write(tmp_path / "a.wav", sound), 50 * 16)
    windows = SoundWindows(plan)
    uploads = {windows.wav(chunk)[0] for chunk in plan.chunks}
    assert len(uploads) == 1
    samples, _, latents = upload(windows, plan, 1)
    assert latents == 20
    assert np.array_equal(samples[: 50 * RATE], sound.astype(np.float32))


@pytest.mark.parametrize("seconds", [50, 180])
def test_a_clip_that_is_too_long_to_be_kept_is_read_as_one_that_is(
    uneven: tuple[Path, np.ndarray], seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(uneven[0], seconds * 16)
    kept = SoundWindows(plan)
    monkeypatch.setattr(level, "KEPT", 0)
    read = SoundWindows(plan)
    for chunk in plan.chunks[::5]:
        assert kept.wav(chunk) == read.wav(chunk)


def test_a_constant_has_no_level_to_be_brought_to(tmp_path: Path) -> None:
    plan = plan_for(write(tmp_path / "a.wav", np.full(90 * RATE, 0.1)), 91 * 16)
    windows = SoundWindows(plan)
    for index in range(len(plan.chunks)):
        assert upload(windows, plan, index)[0].max() == pytest.approx(0.1)


def test_every_window_has_the_level_of_the_whole_clip(uneven: tuple[Path, np.ndarray]) -> None:
    path, sound = uneven
    plan = plan_for(path, 180 * 16)
    windows = SoundWindows(plan)
    reference = normalised(sound)
    for index in range(0, len(plan.chunks), 3):
        samples, span, _ = upload(windows, plan, index)
        heard = normalised(samples)[: (span.end - span.first) * BUCKET]
        wanted = reference[span.first * BUCKET : span.end * BUCKET]
        assert np.abs(heard[: len(wanted)] - wanted).max() < 2e-4


def test_silence_stays_silent(uneven: tuple[Path, np.ndarray]) -> None:
    """Sent alone, the passage at -60 dB would be brought to full level."""
    path, sound = uneven
    plan = plan_for(path, 180 * 16)
    chunk = next(chunk for chunk in plan.chunks if chunk.first_slot > 65 * 16)
    windows = SoundWindows(plan)
    samples, span, latents = upload(windows, plan, chunk.index)
    begin = latents * 4 * BUCKET
    heard = normalised(samples)[begin : begin + 2 * RATE]
    alone = normalised(sound[span.first * BUCKET : span.end * BUCKET])[begin : begin + 2 * RATE]
    assert np.sqrt(np.mean(heard**2)) < 0.01
    assert np.sqrt(np.mean(alone**2)) > 0.25


def test_a_clip_with_one_loud_passage_has_one_level_throughout(tmp_path: Path) -> None:
    """Two minutes of which ten seconds are 20 dB louder: no silence short enough to send brings
    that window down to the clip's variance, so that all windows share a higher one."""
    rng = np.random.default_rng(2)
    sound = 0.02 * rng.standard_normal(120 * RATE).clip(-4, 4)
    sound[60 * RATE : 70 * RATE] *= 10
    plan = plan_for(write(tmp_path / "a.wav", sound), 120 * 16)
    windows = SoundWindows(plan)
    gains = []
    for index in range(0, len(plan.chunks), 3):
        samples, span, _ = upload(windows, plan, index)
        assert len(samples) <= (WINDOW + 30 * 16 + 48) * BUCKET
        middle = slice(0, (span.end - span.first) * BUCKET)
        gains.append(normalised(samples)[middle].std() / samples[middle].std())
    assert np.ptp(gains) / np.mean(gains) < 1e-4


def test_digital_silence_is_sent_as_silence(tmp_path: Path) -> None:
    plan = plan_for(write(tmp_path / "a.wav", np.zeros(90 * RATE)), 90 * 16)
    samples, _, _ = upload(SoundWindows(plan), plan, 3)
    assert not samples.any()


def test_windows_begin_at_the_segment(tmp_path: Path) -> None:
    """Sound at 100 s of the file, after a start of 10.03 s: bucket 1439 and a half."""
    sound = np.zeros(200 * RATE)
    sound[100 * RATE] = 0.5
    sound[::1000] += 0.001
    plan = plan_for(write(tmp_path / "a.wav", sound), 180 * 16, start=Fraction("10.03"))
    chunk = next(chunk for chunk in plan.chunks if chunk.first_slot <= 1439 < chunk.first_slot + 80)
    windows = SoundWindows(plan)
    samples, span, _ = upload(windows, plan, chunk.index)
    peak = int(np.argmax(samples[: (span.end - span.first) * BUCKET]))
    assert span.first * BUCKET + peak == round((100 - 10.03) * RATE)


@given(frames=st.integers(1, 4000))
@settings(max_examples=200, deadline=None)
def test_windows_cover_their_chunks(frames: int) -> None:
    chunks = cut_shot(Shot(0, 0, frames), GEOMETRY)
    end = chunks[-1].first_slot + chunks[-1].generated_frames
    windows = SoundWindows.__new__(SoundWindows)
    windows._plan = plan_for(Path("none.wav"), frames)
    windows._end, windows._whole = end, end <= WHOLE
    for chunk in chunks:
        span = windows.span(chunk)
        assert span.first >= 0
        assert span.first + span.before == chunk.first_slot
        assert span.before % 4 == 0
        assert span.end >= chunk.first_slot + chunk.generated_frames
        assert chunk.index == 0 or span.before >= 76
        assert span.end - span.first >= min(WINDOW, end)
        assert span.end <= end


def features(samples: int) -> int:
    """How many features wav2vec2 makes of an upload."""
    for kernel, stride in ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)):
        samples = (samples - kernel) // stride + 1
    return samples


def heard_at(bucket: int, samples: int) -> float:
    """Second of the upload that ComfyUI lets a bucket hear: 50 features a second are stretched to
    int(0.6 n) of 30 a second, both ends held, and bucket b takes number round(1.875 b)."""
    count = features(samples)
    stretched = int(count / 50 * 30)
    position = np.round(bucket / 16 * 30) * (count - 1) / (stretched - 1)
    return float(position * 0.02 + 0.0125)


@pytest.mark.parametrize("buckets", [4, 80, 164, WINDOW, WHOLE])
def test_every_bucket_hears_the_sound_of_its_own_picture(buckets: int) -> None:
    samples = even_length(buckets * BUCKET)
    assert features(samples) % 5 == 0
    for bucket in range(buckets):
        late = heard_at(bucket, samples) - bucket / 16
        assert -0.006 < late < 1 / 16 - 0.012


@pytest.mark.parametrize(
    ("buckets", "latents"),
    [(4, 1), (12, 1), (80, 20), (80, 7), (164, 20), (164, 7), (WINDOW, 20), (WINDOW, 1)],
)
def test_the_node_finds_enough_buckets(buckets: int, latents: int) -> None:
    """It rounds the sound up to whole chunks of the present length, from the sound's beginning."""
    batch = latents * 4
    stretched = int(features(even_length(buckets * BUCKET)) / 50 * 30)
    there = (int(stretched / (batch * 1.875)) + 1) * batch
    assert there >= buckets
