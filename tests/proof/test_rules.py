"""Single rules, on material that is made for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from media_factory import write_audio
from proof.clean import by_name, sound_file
from proof.faults import Film, jump, later, read, slower, write
from soundreel.events import RunControl
from soundreel.proof.check import Proof, check
from soundreel.proof.rules import seams
from soundreel.proof.rules.reaction import CERTAINTY, RATIO, Stretch, lines
from soundreel.proof.rules.times import chunk_starts
from soundreel.proof.rules.verdict import Line
from soundreel.proof.senses import seen
from soundreel.proof.senses.heard import Bands, listen
from soundreel.proof.senses.lag import Lag, Pair, measure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


@pytest.fixture(scope="module")
def face(folder: Path) -> Film:
    return read(by_name("ours-face-16").write(folder))


def line(proof: Proof, name: str) -> Line:
    return next(each for each in proof.lines if each.name == name)


def test_a_jump_where_the_record_says_that_a_chunk_begins_is_a_seam(
    face: Film, tmp_path: Path
) -> None:
    jumped = jump(face)
    [at] = np.flatnonzero((jumped.pictures != face.pictures).any(axis=(1, 2, 3)))[:1]
    record, count = json.loads(face.tags["soundreel"]), len(face.pictures)
    record["plan"]["chunks"] = [[int(at), int(at)], [count - int(at), count - int(at)]]
    told = {"soundreel": json.dumps(record)}
    broken = check(write(replace(jumped, tags=told), tmp_path / "seam.mp4"))
    assert line(broken, "seams").word == "fail"
    assert list(line(broken, "seams").places) == pytest.approx([face.second(int(at))], abs=0.01)
    whole = check(write(replace(face, tags=told), tmp_path / "whole.mp4"))
    assert line(whole, "seams").word == "ok"


def test_the_level_of_the_last_minute_is_at_its_own_time(tmp_path: Path) -> None:
    """A twentieth of a second has no whole number of samples at 22050 Hz: 1.6 s in an hour."""
    sound = np.zeros((1, 22050 * 60), np.float32)
    sound[0, 22050 * 59 :] = 0.5
    heard = listen(write_audio(tmp_path / "late.wav", sound, 22050), RunControl())
    assert len(heard.level) == 20 * 60
    assert int(np.flatnonzero(heard.level > 0.1)[0]) == 20 * 59


def test_beats_on_some_of_an_hours_borders_are_no_seams() -> None:
    """As in an hour of the preview, whose parts have no seams: changes of all strengths."""
    count = 57600
    structure = np.random.default_rng(1).lognormal(1.0, 0.8, count)
    times, borders = np.arange(count) / 16, range(80, count, 80)
    video = cast("seen.Seen", SimpleNamespace(times=times, structure=structure, step=1 / 16))
    [before, _] = seams.lines(video, None, (), borders, ())
    assert before.word == "ok"
    structure[800] = 1.2 * structure.max()
    [after, _] = seams.lines(video, None, (), borders, ())
    assert (after.word, after.places) == ("fail", (50.0,))


def test_chunks_inside_shots_are_borders_and_shots_are_cuts() -> None:
    plan = {"frames": 60, "chunks": [[12, 10], [10, 10], [10, 10]], "shots": [[0, 20], [20, 10]],
            "interpolation": {"factor": "2"}}  # fmt: skip
    assert chunk_starts({"plan": plan}, 60) == ([20], [40])
    assert chunk_starts({"plan": plan}, 59) == ([], [])
    assert chunk_starts(None, 60) == ([], [])


def test_a_mouth_that_comes_late_is_named(face: Film, tmp_path: Path) -> None:
    proof = check(write(later(-0.1875)(face), tmp_path / "late.mp4"))
    assert line(proof, "mouth").word == "fail"
    assert line(proof, "mouth").figures["lag_s"] == pytest.approx(0.1875, abs=0.03)


def test_pictures_beside_a_sound_that_is_not_theirs_do_not_react(
    folder: Path, tmp_path: Path
) -> None:
    film, other = (read(by_name(name).write(folder)) for name in ("ours-talk-16", "cqt-talk-25"))
    backwards = replace(film, samples=other.samples[:, ::-1])
    assert line(check(write(backwards, tmp_path / "other.mp4")), "lag").word == "unknown"


def test_parts_one_after_the_other_tell_the_same_drift(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a minute each; here of five seconds."""
    monkeypatch.setattr(seen, "PART_S", 5)
    path = by_name("ours-talk-16").write(folder)
    clean = check(path)
    assert len(clean.evidence.stretches) == 2
    assert line(clean, "drift").word == line(clean, "lag").word == "ok"
    proof = check(write(slower(0.01)(read(path)), tmp_path / "slow.mp4"))
    assert line(proof, "drift").word == "fail"
    assert line(proof, "drift").figures["change_s"] == pytest.approx(-0.1, abs=0.06)


def test_a_lag_is_measured_to_a_few_milliseconds(folder: Path) -> None:
    """Sound against itself, moved: no picture is in between."""
    clip = listen(sound_file("talk", folder), RunControl()).clip
    bands, times = Bands(clip, 0, 10, RunControl()), np.arange(0.5, 9.5, 0.04)

    def sound(lags: np.ndarray) -> np.ndarray:
        return bands.decibels(times - lags, 0.04)

    for moved in (-0.187, 0.0, 0.0333):
        late = bands.decibels(times - moved, 0.04)
        found = measure(Pair(times, late, sound))
        assert found.seconds == pytest.approx(moved, abs=0.004)
        assert found.slope == 0
        assert found.jump is None
    nothing = measure(Pair(times, np.zeros((len(times), 3)), sound))
    assert not (nothing.ratio >= RATIO and nothing.certainty >= CERTAINTY)


def test_a_lag_that_grows_from_minute_to_minute_is_a_drift() -> None:
    def stretch(begin: int, lag: float) -> Stretch:
        return Stretch(begin, begin + 60, Lag(lag, 0.0, None, 9, 99, 0.8), None, False, 0.8)

    steady = {each.name: each.word for each in lines([stretch(0, 0.01), stretch(60, 0.012)], 0.04)}
    assert steady == {"lag": "ok", "drift": "ok"}
    drifting = lines([stretch(60 * k, 0.01 + 0.02 * k) for k in range(4)], 0.04)
    [drift] = [each for each in drifting if each.name == "drift"]
    assert drift.word == "fail"
    assert drift.figures["change_s"] == pytest.approx(0.06)
