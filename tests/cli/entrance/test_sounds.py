"""Several sounds at once, standard input, folders for the videos."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import run
from soundreel.cli.terminal.verdicts import SOME_FAILED
from soundreel.video.reader import read_tags

FAKE = ["--engine", "fake", "--size", "64x48", "--seed", "3"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDREEL_WORK_DIR", str(tmp_path / "work"))
    for number, name in enumerate(("a.wav", "b.wav")):
        write_audio(tmp_path / name, sine(1, 300 + number, rate=16000), rate=16000)
    return tmp_path


@pytest.fixture
def pipe(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`a.wav` comes in by standard input, as often as it is read."""

    def give() -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sound)))

    sound = (place / "a.wav").read_bytes()
    give()
    return place


def test_every_sound_gets_a_video_and_a_failure_does_not_stop_the_rest(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["a.wav", "missing.wav", "b.wav", *FAKE, "-o", "videos/"]) == SOME_FAILED
    assert sorted(path.name[0] for path in (place / "videos").glob("*.mp4")) == ["a", "b"]
    captured = capsys.readouterr()
    assert "no such file: missing.wav" in captured.err
    assert "1 of 3 sounds got no video: missing.wav" in captured.err
    assert captured.out.count("engine fake") == 2


def test_several_sounds_as_json_are_one_document(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["a.wav", "missing.wav", *FAKE, "--output-dir", "videos", "--json"]) == SOME_FAILED
    document = json.loads(capsys.readouterr().out)
    first, second = document["results"]
    assert Path(first["path"]).exists()
    assert second["error"]["exit_code"] == 2
    assert document["failed"] == 1
    assert run(["a.wav", "b.wav", *FAKE, "--output-dir", "videos", "--json"]) == 0


def test_a_wrong_option_stops_all_before_the_first(place: Path) -> None:
    assert run(["a.wav", "b.wav", *FAKE, "-o", "videos/", "--crf", "99"]) == 2
    assert not (place / "videos").exists()


def test_several_sounds_do_not_go_into_one_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["a.wav", "b.wav", *FAKE, "-o", "a.mp4"]) == 2
    assert "--output videos/" in capsys.readouterr().err
    assert run(["a.wav", "b.wav", "--from", "a.mp4"]) == 2
    assert "--from" in capsys.readouterr().err


@pytest.mark.parametrize("written", ["videos/", "there"])
def test_an_output_that_is_a_folder_holds_automatic_names(place: Path, written: str) -> None:
    (place / "there").mkdir()
    assert run(["a.wav", *FAKE, "-o", written]) == 0
    [video] = (place / written).glob("*.mp4")
    assert video.name.startswith("a_64x48_")


def test_standard_input_is_a_sound_with_a_neutral_name(pipe: Path) -> None:
    assert run(["-", *FAKE, "-o", "videos/"]) == 0
    [video] = (pipe / "videos").glob("*.mp4")
    assert video.name.startswith("sound_64x48_")
    record = json.loads(read_tags(video)["soundreel"])
    assert record["inputs"]["audio"]["name"] == "sound"


def test_standard_input_goes_on_where_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The temporary file lies elsewhere each time; the bytes tell the job."""
    write_audio(place / "a.wav", sine(3, rate=16000), rate=16000)
    command = [sys.executable, str(Path(__file__).parents[2] / "run_fake.py"), "-", *FAKE]
    killed = {**os.environ, "FAKE_KILL_AT": "20"}
    with (place / "a.wav").open("rb") as sound:
        ended = subprocess.run([*command, "-o", "a.mp4"], stdin=sound, env=killed, check=False)
    assert ended.returncode < 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper((place / "a.wav").open("rb")))
    assert run(["-", *FAKE, "-o", "a.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["resumed_chunks"] == 1


def test_standard_input_that_gives_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert run(["-", *FAKE]) == 2
    assert "standard input is empty" in capsys.readouterr().err
    assert run(["-", "a.wav", *FAKE]) == 2
    assert "among other sounds" in capsys.readouterr().err


def test_an_address_is_to_be_downloaded_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["https://example.org/a.mp3"]) == 2
    shown = capsys.readouterr().err
    assert "https://example.org/a.mp3 is an address: download the sound first" in shown
