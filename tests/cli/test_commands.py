"""The command line as a person meets it: names, values, messages, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from media_factory import sine, write_audio
from soundreel.cli.app import main, run
from soundreel.video.reader import probe_video, read_tags


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own, with a second of sound in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOUNDREEL_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("SOUNDREEL_URL", "http://127.0.0.1:9")
    write_audio(tmp_path / "song.wav", sine(1.03, rate=16000), rate=16000)
    return tmp_path


FAKE = ("--engine", "fake", "--size", "64x48", "--seed", "3")


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The error text; the command must end with `code` and show no traceback."""
    assert run(list(arguments)) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return shown


def plan_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run(["plan", "song.wav", *FAKE, "--json", *arguments]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_sound_alone_is_enough(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["song.wav", *FAKE]) == 0
    [video] = (place / "output" / "video").glob("*.mp4")
    assert video.name.startswith("song_64x48_17f_1.0625s_no_ref_s2v_")
    assert str(video) in capsys.readouterr().out
    assert probe_video(video).num_frames == 17


def test_generate_is_the_default_command(place: Path) -> None:
    assert run(["generate", "song.wav", *FAKE, "-o", "a.mp4"]) == 0
    assert run([*FAKE, "-o", "b.mp4", "song.wav"]) == 0
    assert (place / "a.mp4").read_bytes() == (place / "b.mp4").read_bytes()


def test_result_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["song.wav", *FAKE, "-o", "a.mp4", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["path"] == str(place / "a.mp4")
    assert (shown["frames"], shown["fps"], shown["seed"]) == (17, "16", 3)


def test_quiet_prints_only_the_path(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["song.wav", *FAKE, "-o", "a.mp4", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{place / 'a.mp4'}\n"
    assert captured.err == ""


def test_classic_and_common_names_mean_the_same(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classic = plan_of(capsys, "--audio-start", "0.5", "--audio-duration", "0:00.25")
    common = plan_of(capsys, "--start", "0.5", "--duration", "0.25")
    assert classic == common
    assert classic["start"] == "1/2"
    assert classic["frames"] == 4
    assert plan_of(capsys, "--width", "96", "--height", "32")["size"] == [96, 32]


def test_frame_count_is_exact_and_what_it_cuts_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "song.wav", *FAKE, "--frames", "9"]) == 0
    captured = capsys.readouterr()
    assert "9 frames at 16 fps" in captured.out
    assert "the last 0.4675 s of the sound are cut off" in captured.err
    assert run(["plan", "song.wav", *FAKE, "--frames", "32"]) == 0
    assert "the last 0.97 s are silent" in capsys.readouterr().err


def test_duration_past_the_end_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "song.wav", *FAKE, "--duration", "3"]) == 0
    assert "the sound ends 1.97 s before" in capsys.readouterr().err


def test_interpolation_gives_exact_counts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["song.wav", *FAKE, "--interpolate", "flow", "--fps", "48", "-o", "a.mp4"]) == 0
    info = probe_video(place / "a.mp4")
    assert (info.num_frames, info.fps) == (51, Fraction(48))


def test_video_is_made_again_from_itself_and_from_its_sidecar(place: Path) -> None:
    assert run(["song.wav", *FAKE, "--seed", "-1", "-p", "word", "-o", "a.mp4"]) == 0
    assert run(["--from", "a.json", "-o", "b.mp4"]) == 0
    assert run(["--from", "a.mp4", "-o", "c.mp4"]) == 0
    assert (place / "a.mp4").read_bytes() == (place / "b.mp4").read_bytes()
    assert (place / "a.mp4").read_bytes() == (place / "c.mp4").read_bytes()


def test_replay_refuses_another_sound(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["song.wav", *FAKE, "-o", "a.mp4"]) == 0
    write_audio(place / "song.wav", sine(1, 300, rate=16000), rate=16000)
    assert "not the file" in fails(capsys, 2, "--from", "a.mp4", "-o", "b.mp4")


def test_tags_hold_no_place_and_no_time(place: Path) -> None:
    assert run(["song.wav", *FAKE, "-o", "a.mp4"]) == 0
    tag = read_tags(place / "a.mp4")["soundreel"]
    assert str(place) not in tag
    assert "timings" not in tag
    record = json.loads(tag)
    assert record["inputs"]["audio"]["name"] == "song.wav"
    assert "timings" in json.loads((place / "a.json").read_text())


def test_config_file_gives_settings_and_defaults(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "my.toml").write_text(
        'output_dir = "made"\n[options]\nengine = "fake"\nsize = "32x32"\nseed = 5\nfps = 16\n'
    )
    assert run(["song.wav", "--config", "my.toml", "--height", "64"]) == 0
    [video] = (place / "made").glob("*.mp4")
    assert video.name.startswith("song_32x64_")
    (place / "bad.toml").write_text("[options]\nsizes = 1\n")
    assert "'sizes'" in fails(capsys, 2, "song.wav", "--config", "bad.toml")
    (place / "bad.toml").write_text("outputs = 1\n")
    assert "'outputs'" in fails(capsys, 2, "song.wav", "--config", "bad.toml")
    (place / "bad.toml").write_text("= 1\n")
    assert "TOML" in fails(capsys, 2, "song.wav", "--config", "bad.toml")
    assert "no.toml" in fails(capsys, 2, "song.wav", "--config", "no.toml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "9"], "beyond the end"),
        (["--start", "-1"], "--start -1: not a time"),
        (["--start", "nan"], "--start nan: not a time"),
        (["--duration", "0"], "--duration 0"),
        (["--frames", "0"], "--frames 0"),
        (["--frames", "99999999"], "more than a day"),
        (["--size", "63x48"], "--width 63: an even number"),
        (["--size", "0x0"], "--width 0: an even number"),
        (["--size", "99999x48"], "--width 99999: an even number"),
        (["--size", "big"], "--size big: not a size"),
        (["--crf", "52"], "--crf 52"),
        (["--preset", "warp"], "--preset warp"),
        (["--seed", "-2"], "--seed -2"),
        (["--seed", str(2**64)], f"--seed {2**64}"),
        (["--fps", "0"], "--fps 0: not a frame rate"),
        (["--fps", "25", "--interpolate", "none"], "makes 16 pictures a second"),
        (["--interpolate", "flow", "--fps", "16"], "cannot turn 16 into 16"),
        (["--interpolate", "blend"], "cannot do that"),
        (["--settings", "a/b"], "--settings a/b: a short word"),
        (["--engine", "magic"], "--engine magic: unknown engine"),
        (["--fit", "crop"], "does not use --fit"),
        (["--audio-guidance", "6"], "does not use --audio-guidance"),
        (["--no-such-option"], "--no-such-option"),
        (["--image", "nowhere.png"], "nowhere.png"),
        (["--timeout", "0"], "timeout"),
    ],
)
def test_wrong_value_is_one_sentence_and_exit_2(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    shown = fails(capsys, 2, "song.wav", *FAKE, "-o", "a.mp4", *arguments)
    assert said in shown
    assert not (place / "a.mp4").exists()
    assert not list(place.glob("work/*/"))


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
@pytest.mark.parametrize("flag", ["--workflow", "--pose-video", "--image", "--from"])
def test_nobody_waits_for_the_other_end_of_a_pipe(
    place: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    os.mkfifo(place / "pipe.json")
    engine = {"--workflow": "comfyui", "--pose-video": "wan"}.get(flag, "preview")
    given = ["song.wav", "--engine", engine, "-o", "a.mp4", flag, "pipe.json"]
    assert "pipe.json" in fails(capsys, 2, *given)


def test_missing_sound_and_missing_argument(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nowhere.wav" in fails(capsys, 2, "nowhere.wav", *FAKE)
    assert "no sound file given" in fails(capsys, 2, *FAKE)


def test_existing_output_needs_overwrite(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "a.mp4").write_text("precious")
    assert "--overwrite" in fails(capsys, 2, "song.wav", *FAKE, "-o", "a.mp4")
    assert (place / "a.mp4").read_text() == "precious"
    assert run(["song.wav", *FAKE, "-o", "a.mp4", "--overwrite"]) == 0
    assert probe_video(place / "a.mp4").num_frames == 17


def test_no_file_of_the_user_is_written_over(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "a.json").write_text('{"notes": "precious"}')
    assert "a.json" in fails(capsys, 2, "song.wav", *FAKE, "-o", "a.mp4")
    assert "precious" in (place / "a.json").read_text()
    (place / "song.wav").rename(place / "song.mp4")
    sound = (place / "song.mp4").read_bytes()
    shown = fails(capsys, 2, "song.mp4", *FAKE, "-o", "song.mp4", "--overwrite")
    assert "made from" in shown
    assert (place / "song.mp4").read_bytes() == sound


def test_names_at_the_limits_of_the_file_system(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "too long" in fails(capsys, 4, "song.wav", *FAKE, "-o", f"{'a' * 260}.mp4")
    assert "too long" in fails(capsys, 2, "song.wav", *FAKE, "--image", f"{'a' * 260}.png")
    assert "too long" in fails(capsys, 2, "song.wav", *FAKE, "--from", f"{'a' * 260}.json")
    long_name = "音" * 80 + ".wav"
    (place / "song.wav").rename(place / long_name)
    assert run([long_name, *FAKE, "--output-dir", "made"]) == 0


def test_a_name_that_is_no_unicode_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"bad\xff.wav")
    try:
        (place / "song.wav").rename(place / name)
    except OSError:
        pytest.skip("the file system takes Unicode names only")
    assert run([name, *FAKE, "-o", "a.mp4"]) == 0
    monkeypatch.setattr("sys.argv", ["soundreel", name, *FAKE, "--output-dir", "made"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert any(path.name.startswith(name[:-4]) for path in (place / "made").iterdir())
    for source in ("a.json", "a.mp4"):
        assert run(["--from", source, "-o", "b.mp4", "--overwrite"]) == 0
        assert (place / "a.mp4").read_bytes() == (place / "b.mp4").read_bytes()


def test_output_must_be_an_mp4_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ".mp4" in fails(capsys, 2, "song.wav", *FAKE, "-o", "a.avi")


def test_output_folder_that_cannot_be_made(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "file").write_text("")
    assert "file" in fails(capsys, 4, "song.wav", *FAKE, "-o", "file/a.mp4")


@pytest.mark.parametrize("name", ["with space.wav", "ünïcødé-声.wav", "-dash.wav", "a:b.wav"])
def test_awkward_names(place: Path, name: str) -> None:
    (place / "song.wav").rename(place / name)
    arguments = ["--", name] if name.startswith("-") else [name]
    assert run([*FAKE, "-o", "ö ü.mp4", *arguments]) == 0
    assert probe_video(place / "ö ü.mp4").num_frames == 17


def test_error_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nowhere.wav", *FAKE, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == "InputError"
    assert error["exit_code"] == 2
    assert error["hint"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["song.wav", "--no-such-option"], "--no-such-option"),
        (["song.wav", "--size"], "--size"),
        (["song.wav", "--offload", "disk"], "--offload"),
        (["engines", "more"], "more"),
    ],
)
def test_a_slip_of_usage_is_json_too(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run([*arguments[:1], "--json", *arguments[1:]]) == 2
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert said in error["message"]
    assert error["exit_code"] == 2
    assert captured.err == ""


def test_a_wrong_value_as_json_names_the_field(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["song.wav", *FAKE, "--json", "--crf", "99"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["fields"] == {"encoding.crf": "99"}
    assert error["rule"] == "0 (lossless) to 51, 10 to 23 advised"
    assert "--" not in error["message"] + error["hint"]


def test_auto_takes_what_can_run_and_says_why(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "song.wav", "--size", "64x48"]) == 0
    said = capsys.readouterr().err
    assert "engine: preview" in said
    assert "wan:" in said
    assert "comfyui:" in said


def test_probe_shows_sound_picture_and_record(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["song.wav", *FAKE, "-o", "a.mp4", "--quiet"]) == 0
    capsys.readouterr()
    assert run(["probe", "a.mp4", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["sound"]["rate"] == 16000
    assert facts["picture"]["num_frames"] == 17
    assert facts["made by soundreel"]["seed"] == 3
    assert run(["probe", "song.wav"]) == 0
    assert "sound    1.03 s, 16000 Hz, mono" in capsys.readouterr().out
    assert run(["probe", "a.mp4"]) == 0
    shown = capsys.readouterr().out
    assert "picture  64x48, 17 pictures, 16 a second" in shown
    assert "again    soundreel --from a.mp4" in shown
    assert "{" not in shown
    assert "画面模糊" not in shown
    (place / "text.wav").write_text("hello")
    assert fails(capsys, 2, "probe", "text.wav")


def test_doctor_fails_where_the_named_server_is_dead(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--json", "--url", "http://127.0.0.1:9"]) == 3
    found = json.loads(capsys.readouterr().out)["comfyui"]
    assert not found["ready"]
    assert "no answer from http://127.0.0.1:9" in found["checks"][0]["found"]
    assert run(["doctor", "--url", "http://127.0.0.1:9"]) == 3


def test_plan_says_that_it_did_not_ask_the_server(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "song.wav", "--engine", "comfyui", "--url", "http://127.0.0.1:9"]) == 0
    assert "not asked" in capsys.readouterr().out


def test_doctor_and_engines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["preview"]["ready"] is True
    assert found["comfyui"]["ready"] is False
    assert run(["doctor"]) == 0
    assert "preview: ready" in capsys.readouterr().out
    assert run(["engines"]) == 0
    assert "preview" in capsys.readouterr().out


def test_timeout_stops_the_job_which_can_be_resumed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_audio(place / "song.wav", sine(5, rate=16000), rate=16000)
    monkeypatch.setenv("FAKE_SLOW", "0.1")
    assert "--timeout" in fails(capsys, 3, "song.wav", *FAKE, "-o", "a.mp4", "--timeout", "3.5")
    monkeypatch.delenv("FAKE_SLOW")
    assert run(["song.wav", *FAKE, "-o", "a.mp4"]) == 0
    assert "there from an earlier run" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_result_that_cannot_be_printed_is_said(place: Path) -> None:
    runner = Path(__file__).parents[1] / "run_fake.py"
    command = [sys.executable, str(runner), "song.wav", *FAKE, "-o", "a.mp4", "--quiet"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 4
    assert "cannot print" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (place / "a.mp4").exists()
