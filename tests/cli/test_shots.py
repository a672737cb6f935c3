"""Shots as a person meets them on the command line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import run
from soundreel.directing.shot_list import KEYS

FAKE = ("--engine", "fake", "--size", "64x48", "--seed", "3")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own, with eight seconds of sound in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDREEL_WORK_DIR", str(tmp_path / "work"))
    write_audio(tmp_path / "song.wav", sine(8, rate=16000), rate=16000)
    return tmp_path


def test_a_list_is_written_edited_and_used(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "song.wav", *FAKE, "-p", "a sea", "-o", "shots.toml"]) == 0
    text = (place / "shots.toml").read_text()
    assert "# Make the video:  soundreel song.wav --shots shots.toml" in text
    assert tomllib.loads(text)["shot"] == [{"start": "0:00", "prompt": "a sea", "seed": 3}]
    more = '\n[[shot]]\nstart = "0:03.51"\nprompt = "[0:05-] a storm"\n'
    (place / "shots.toml").write_text(text + more)
    capsys.readouterr()
    assert run(["plan", "song.wav", *FAKE, "--shots", "shots.toml"]) == 0
    shown = capsys.readouterr()
    assert "1 of 1 cuts moved by up to 10 ms" in shown.err
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["1", "0:00", "3.5", "s", "1-3", "3", "a", "sea"] in rows
    assert any(row[:2] == ["0:05.0625", "from"] and row[-2:] == ["a", "storm"] for row in rows)
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    assert run(["song.wav", *FAKE, "--shots", "shots.toml", "-o", "a.mp4"]) == 0
    assert json.loads((place / "a.json").read_text())["plan"]["shots"] == [[0, 56], [56, 72]]


def test_the_written_list_names_all_that_a_shot_may_have(place: Path) -> None:
    assert run(["plan", "song.wav", *FAKE, "-o", "shots.toml"]) == 0
    comment, _, _ = (place / "shots.toml").read_text().partition("[[shot]]")
    for key in KEYS:
        assert re.search(rf"\b{key}\b", comment), key


def test_a_list_that_is_there_is_not_written_over(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "shots.toml").write_text("mine")
    assert run(["plan", "song.wav", *FAKE, "-o", "shots.toml"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (place / "shots.toml").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["otio", "edl", "csv"])
def test_editors_get_the_finished_video_as_their_media(place: Path, suffix: str) -> None:
    (place / "shots.toml").write_text("[[shot]]\nstart = 0\n[[shot]]\nstart = 4\n")
    assert run(["song.wav", *FAKE, "--shots", "shots.toml", "-o", "film.mp4", "-q"]) == 0
    assert run(["plan", "--from", "film.mp4", "-o", f"cut.{suffix}"]) == 0
    text = (place / f"cut.{suffix}").read_text()
    assert "film.mp4" in text if suffix != "csv" else text.count("shot,") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shots", "none.toml"], "none.toml"),
        (["--shots", "bad.toml"], "bad.toml, line 3: unknown key 'promt'"),
        (["--prompt", "[0:01-0:02] short"], "from 0:01 to 0:02"),
        (["--prompts", "bad.txt"], "bad.txt"),
        (["--images", "nowhere.png"], "nowhere.png"),
        (["--shots", "auto", "--shot-length", "9"], "--shot-length 9"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (place / "bad.toml").write_text('[[shot]]\nstart = 0\npromt = "x"\n')
    assert run(["song.wav", *FAKE, *arguments, "-o", "a.mp4"]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown
    assert not (place / "a.mp4").exists()
    assert not list((place / "work").glob("*/"))


def test_one_shot_is_made_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "shots.toml").write_text("[[shot]]\nstart = 0\n[[shot]]\nstart = 4\n")
    assert run(["song.wav", *FAKE, "--shots", "shots.toml", "-o", "film.mp4", "-q"]) == 0
    capsys.readouterr()
    assert run(["remake", "film.mp4", "--shot", "2", "--seed", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(place / "film_shot2.mp4")
    assert run(["remake", "film.mp4", "--shot", "3"]) == 2
    assert "has 2 shots" in capsys.readouterr().err
