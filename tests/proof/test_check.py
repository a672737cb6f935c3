"""What `check` says of whole files, and of files that it cannot judge."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import soundreel
from media_factory import silence, sine, write_audio, write_video
from proof.clean import by_name, sound_file
from proof.faults import read, write
from soundreel.cli.app import run
from soundreel.errors import InputError
from soundreel.proof.check import check
from soundreel.proof.report import draw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proof")


@pytest.fixture(scope="module")
def face(folder: Path) -> Path:
    return by_name("ours-face-16").write(folder)


def words(proof: soundreel.Proof) -> dict[str, str]:
    return {line.name: line.word for line in proof.lines}


def test_a_portrait_of_ours_is_right_in_every_line(face: Path, folder: Path) -> None:
    proof = soundreel.check(str(face), against=sound_file("speech", folder))
    assert set(words(proof).values()) == {"ok"}
    assert {"offset", "samples", "tail", "lag", "mouth", "record", "jumps"} <= set(words(proof))


def test_the_command_says_it_in_80_columns_and_by_its_exit_code(
    face: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(face)]) == 0
    shown = capsys.readouterr().out
    assert "nothing is wrong" in shown
    assert max(map(len, shown.splitlines())) < 80
    film = read(face)
    short = write(film.with_pictures(film.pictures[:-12]), tmp_path / "short.mp4")
    assert run(["check", str(short), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "fail"
    [length] = [line for line in document["lines"] if line["name"] == "length"]
    assert length["figures"]["end_s"] == pytest.approx(-12 / 16, abs=0.05)
    assert length["places"] == [pytest.approx(film.second(len(film.pictures) - 12), abs=0.01)]


def test_the_report_shows_what_fails_where_it_is(face: Path, tmp_path: Path) -> None:
    film = read(face)
    at = film.middle
    pictures = film.pictures.copy()
    pictures[at : at + 16] = 0
    path = write(film.with_pictures(pictures), tmp_path / "dark.mp4")
    target = tmp_path / "report.png"
    assert run(["check", str(path), "--report", str(target), "--quiet"]) == 1
    assert run(["check", str(path), "--report", str(target)]) == InputError.exit_code
    drawn = np.asarray(Image.open(target).convert("RGB")).astype(int)
    red = (drawn[..., 0] > 220) & (drawn[..., 1] < 110) & (drawn[..., 2] < 110)
    column = 150 + round(film.second(at) / (len(film.pictures) / 16) * (1600 - 180))
    below = red[-500:]
    lines = [x for x in range(1600) if below[:, x].mean() > 0.7]
    assert any(abs(x - column) <= 3 for x in lines)


def test_a_video_without_sound_is_judged_by_its_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "mute.mp4", 40, Fraction(16))
    proof = check(path)
    assert words(proof)["timestamps"] == "ok"
    assert not {"lag", "length", "loudness"} & set(words(proof))
    draw(proof)
    with pytest.raises(InputError, match="no sound to compare"):
        check(path, write_audio(tmp_path / "a.wav", sine(1)))


def test_silence_and_a_still_are_no_faults(tmp_path: Path) -> None:
    still = [np.full((48, 64, 3), 90, np.uint8)] * 48
    path = write_video(tmp_path / "still.mp4", still, Fraction(16), samples=silence(3))
    said = words(check(path))
    assert "fail" not in said.values()
    assert said["lag"] == "unknown"
    assert said["frozen"] == "note"


def test_a_sound_is_no_video_and_a_wrong_source_fails(face: Path, tmp_path: Path) -> None:
    tone = write_audio(tmp_path / "tone.wav", sine(9, 700))
    with pytest.raises(InputError, match="no pictures to check"):
        check(tone)
    assert words(check(face, tone))["source"] == "fail"
