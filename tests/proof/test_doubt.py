"""What cannot be told of a sound that stays the same, or repeats itself, is no fault."""

from __future__ import annotations

from pathlib import Path

from media_factory import click_track, sine, write_audio
from oracle import make
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.proof.check import Proof, check
from soundreel.proof.rules.reaction import Stretch, lines
from soundreel.proof.rules.verdict import Line
from soundreel.proof.senses.lag import Lag
from soundreel.types import Request


def told(proof: Proof) -> dict[str, Line]:
    return {line.name: line for line in proof.lines}


def said_of(
    seconds: float, rivals: tuple[tuple[float, float], ...] = (), slope: float = 0.0
) -> dict[str, Line]:
    """What is said of ten seconds at 25 pictures a second that follow by so much."""
    lag = Lag(seconds, slope, None, 7, 90, 0.8, 0.25, rivals)
    return {line.name: line for line in lines([Stretch(0, 10, lag, None, False, 0.8)], 0.04)}


def test_a_steady_tone_tells_no_lag_and_its_beginning_is_no_fault(tmp_path: Path) -> None:
    """All that happens is its beginning, which this filter draws at its own pace: a correlation
    of 0.9, 270 ms late, in the first three seconds alone."""
    tone = write_audio(tmp_path / "tone.wav", sine(6))
    path = make(
        tmp_path / "tone.mp4", "-i", tone, "-filter_complex",
        "[0:a]asplit[a][b];[a]showwaves=mode=cline:s=128x96:r=16,format=yuv420p[v]",
        "-map", "[v]", "-map", "[b]", "-t", "6", "-c:v", "libx264", "-c:a", "aac",
    )  # fmt: skip
    proof = check(path)
    assert told(proof)["lag"].word == "unknown"
    assert not [line for line in proof.lines if line.word == "fail"]


def test_a_beat_that_never_changes_fits_half_a_second_away_too(tmp_path: Path) -> None:
    sound = write_audio(tmp_path / "beat.wav", click_track(4, first=0.0))
    request = Request(
        audio=sound, engine="preview", seed=1, width=128, height=32, options={"look": "bars"},
        output=tmp_path / "bars.mp4",
    )  # fmt: skip
    generate(request, Settings(work_dir=tmp_path / "work", output_dir=tmp_path))
    proof = check(tmp_path / "bars.mp4")
    assert "the sound repeats itself" in told(proof)["lag"].found
    assert not [line for line in proof.lines if line.word == "fail"]


def test_a_wrong_lag_is_told_only_where_no_right_one_fits() -> None:
    right_fits = said_of(-0.23, ((0.02, 0.8),))
    assert right_fits["lag"].word == "unknown"
    assert "+20 ms as well as at -230 ms" in right_fits["lag"].found
    assert "drift" not in right_fits
    assert said_of(-0.2, ((0.3, 0.97),))["lag"].word == "unknown"
    assert said_of(-0.2, ((0.3, 0.9),))["lag"].word == "fail"
    assert said_of(0.02, ((0.52, 0.9),))["lag"].word == "ok"


def test_a_wrong_lag_is_told_where_a_slight_slant_is_no_drift() -> None:
    slanted = said_of(-0.197, slope=-0.002)
    assert (slanted["lag"].word, slanted["drift"].word) == ("fail", "ok")
    drifting = said_of(-0.1, slope=-0.02)
    assert (drifting["lag"].word, drifting["drift"].word) == ("note", "fail")
