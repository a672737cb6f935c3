"""A list of jobs: what fails does not stop the rest, what is there is not made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import run
from soundreel.cli.terminal.verdicts import SOME_FAILED

TINY = ["--engine", "preview", "--size", "64x48", "--seed", "3"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Called from elsewhere than where the list lies."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("SOUNDREEL_WORK_DIR", str(tmp_path / "work"))
    (tmp_path / "songs").mkdir()
    for number, name in enumerate(("a.wav", "b.wav")):
        write_audio(tmp_path / "songs" / name, sine(1, 300 + number, rate=16000), rate=16000)
    return tmp_path


def documents(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def words(said: list[dict[str, object]]) -> list[object]:
    return [document["outcome"] for document in said]


def test_a_folder_of_sounds_gets_a_video_each_and_the_next_run_makes_what_is_missing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = place / "songs"
    (songs / "c.mp3").write_text("no sound")
    (songs / "notes.txt").write_text("none at all")
    command = ["batch", str(songs), *TINY, "-o", "videos/"]
    assert run(command) == SOME_FAILED
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "3 jobs: 2 made, 1 failed"
    assert sorted(path.name for path in Path("videos").glob("*.mp4")) == ["a.mp4", "b.mp4"]
    before = Path("videos/b.mp4").stat().st_mtime_ns
    Path("videos/a.mp4").unlink()
    (songs / "c.mp3").unlink()
    assert run([*command, "--json"]) == 0
    said = documents(capsys.readouterr().out)
    assert words(said) == ["there", "made"]
    assert Path("videos/b.mp4").stat().st_mtime_ns == before
    assert all(Path(str(document["path"])).exists() for document in said)


def test_what_another_request_made_is_not_replaced_unasked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["batch", str(place / "songs"), *TINY, "-o", "videos/", "--json"]
    assert run(command) == 0
    assert run([*command, "--prompt", "night"]) == SOME_FAILED
    assert run([*command, "--prompt", "night", "--overwrite"]) == 0
    first, second, third = (documents(text) for text in _thirds(capsys.readouterr().out))
    assert words(first) == words(third) == ["made", "made"]
    assert "exists already" in json.dumps(second)


def _thirds(text: str) -> list[str]:
    lines = text.splitlines()
    size = len(lines) // 3
    return ["\n".join(lines[k * size : (k + 1) * size]) for k in range(3)]


def test_tables_say_the_options_of_each_and_what_holds_for_all(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = place / "jobs.toml"
    jobs.write_text(
        '[options]\nengine = "preview"\nsize = "64x48"\nseed = 3\n\n'
        '[[job]]\naudio = "songs/a.wav"\n\n'
        '[[job]]\naudio = "songs/a.wav"\nseed = 4\n\n'
        '[[job]]\naudio = "songs/b.wav"\noutput = "deep/own.mp4"\nnegative-prompt = "rain"\n\n'
        '[[job]]\naudio = "songs/b.wav"\nsise = 3\n'
    )
    assert run(["batch", str(jobs), "-o", "videos/", "--json"]) == SOME_FAILED
    said = documents(capsys.readouterr().out)
    first, second, third, wrong = sorted(said, key=lambda document: str(document["job"]))
    names = [Path(str(one["path"])).relative_to(Path("videos").absolute()) for one in
             (first, second, third)]  # fmt: skip
    assert list(map(str, names)) == ["a.mp4", "a-2.mp4", "deep/own.mp4"]
    assert [first["seed"], second["seed"], third["seed"]] == [3, 4, 3]
    record = json.loads(Path("videos/deep/own.json").read_text())
    assert record["request"]["negative_prompt"] == "rain"
    assert "unknown option 'sise'" in json.dumps(wrong)
    assert wrong["job"] == "job 4"


def test_lines_of_json_may_be_of_sounds_and_of_images(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48), (200, 90, 20)).save(place / "still.png")
    jobs = place / "jobs.jsonl"
    lines = [
        {"audio": "songs/a.wav", "engine": "preview", "size": "64x48"},
        {"image": "still.png", "engine": "preview", "size": "64x48", "frames": 8},
    ]
    jobs.write_text("\n\n".join(json.dumps(line) for line in lines))
    assert run(["batch", str(jobs), "--output-dir", "videos"]) == 0
    assert sorted(path.name for path in Path("videos").glob("*.mp4")) == ["a.mp4", "still.mp4"]
    assert "2 jobs: 2 made" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("jobs.jsonl", '{"audio": 1}\n{', "line 2 is not valid JSON"),
        ("jobs.jsonl", "[]", "line 1 is not an object"),
        ("jobs.jsonl", "\n", "no job in"),
        ("jobs.toml", "job = 3", "each [[job]] is one"),
        ("jobs.toml", "[jobs]", "not 'jobs'"),
        ("jobs.toml", "[[job", "not valid TOML"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_before_the_first(
    place: Path, name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / name).write_text(text)
    assert run(["batch", str(place / name), "-o", "videos/"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("videos").exists()


def test_one_file_for_many_videos_is_refused(place: Path) -> None:
    assert run(["batch", str(place / "songs"), *TINY, "-o", "one.mp4"]) == 2
