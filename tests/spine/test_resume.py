"""A job killed at any moment goes on where it was and ends with the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from fakes import cancel_after
from media_factory import sine, write_audio
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineUnavailable, InputError, WorkError
from soundreel.events import ChunkSealed, Event, RunControl
from soundreel.types import Encoding, Request

RUNNER = Path(__file__).parents[1] / "run_fake.py"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def request_for(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    return Request(**{**values, "seed": 3, "output": output, **changes})  # type: ignore[arg-type]


def test_ten_runs_give_the_same_bytes(tone: Path, tmp_path: Path, settings: Settings) -> None:
    made = set()
    for number in range(10):
        path = tmp_path / f"{number}.mp4"
        generate(request_for(tone, path, duration=None), settings)
        made.add(digest(path))
    assert len(made) == 1


@pytest.mark.parametrize("interpolate", ["none", "flow"])
@pytest.mark.parametrize("frames", [1, 20, 45])
def test_resume_equals_one_run(
    tone: Path, tmp_path: Path, settings: Settings, frames: int, interpolate: str
) -> None:
    whole = request_for(tone, tmp_path / "whole.mp4", interpolate=interpolate)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(frames))
    assert not (tmp_path / "broken.mp4").exists()
    generate(broken, settings)
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


@pytest.mark.parametrize("codec", ["flac", "alac", "copy"])
def test_a_resumed_job_keeps_its_codec_and_another_codec_is_another_job(
    tone: Path, tmp_path: Path, settings: Settings, codec: str
) -> None:
    chosen = Encoding(audio_codec=codec)
    audio = tone
    if codec == "copy":
        audio = write_audio(tmp_path / "tone.m4a", sine(5, rate=16000), rate=16000)
    whole = request_for(audio, tmp_path / "whole.mp4", encoding=chosen)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(45))
    assert generate(replace(broken, encoding=Encoding()), settings).resumed_chunks == 0
    (tmp_path / "broken.mp4").unlink()
    assert generate(broken, settings).resumed_chunks > 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


@pytest.mark.parametrize("codec", ["h265", "av1"])
def test_resume_equals_one_run_in_every_codec(
    tone: Path, tmp_path: Path, settings: Settings, codec: str
) -> None:
    encoding = Encoding(codec=codec)
    whole = request_for(tone, tmp_path / "whole.mp4", encoding=encoding, height=64)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    generate(whole, settings)
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(45))
    assert generate(broken, settings).resumed_chunks > 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")
    encoding = fakes.sidecar_of(tmp_path / "whole.mp4")["request"]["encoding"]  # type: ignore[index]
    assert (encoding["codec"], encoding["crf"]) == (codec, {"h265": 20, "av1": 26}[codec])


def test_resumed_run_renders_only_what_is_missing(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(45))
    events: list[Event] = []
    result = generate(request, settings, control=RunControl(events.append))
    assert result.resumed_chunks == 2
    sealed = [event for event in events if isinstance(event, ChunkSealed)]
    assert [event.resumed for event in sealed] == [True, True, False, False, False]


def test_random_seed_is_kept_by_the_run_that_finishes(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, tmp_path / "a.mp4", seed=-1)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    [facts] = [json.loads(p.read_text()) for p in settings.work_dir.glob("*/job.json")]
    assert generate(request, settings).plan.request.seed == facts["seed"]


def run_fake(
    *arguments: str, most_bytes: int | None = None, **environment: str
) -> subprocess.Popen[str]:
    """The program in a process of its own; no file may grow over `most_bytes`."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(
        [sys.executable, str(RUNNER), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def command(tone: Path, tmp_path: Path, output: str) -> list[str]:
    return [
        str(tone), "--engine", "fake", "--size", "64x48", "--seed", "3",
        "--work-dir", str(tmp_path / "work"), "-o", str(tmp_path / output),
    ]  # fmt: skip


def test_killed_process_resumes_to_the_same_bytes(tone: Path, tmp_path: Path) -> None:
    whole, broken = command(tone, tmp_path, "whole.mp4"), command(tone, tmp_path, "broken.mp4")
    assert run_fake(*whole).wait() == 0
    assert run_fake(*broken, FAKE_KILL_AT="33").wait() == -signal.SIGKILL
    assert not (tmp_path / "broken.mp4").exists()
    assert run_fake(*broken).wait() == 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")
    assert not list((tmp_path / "work").glob("*/"))


def test_kill_at_random_moments_never_leaves_a_half_file(tone: Path, tmp_path: Path) -> None:
    whole, broken = command(tone, tmp_path, "whole.mp4"), command(tone, tmp_path, "broken.mp4")
    assert run_fake(*whole).wait() == 0
    for delay in (0.5, 0.7, 0.8, 0.9, 1.0, 1.1):
        process = run_fake(*broken, FAKE_SLOW="0.01")
        time.sleep(delay)
        process.kill()
        process.wait()
        if (tmp_path / "broken.mp4").exists():
            break
    if not (tmp_path / "broken.mp4").exists():
        assert run_fake(*broken).wait() == 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_ctrl_c_exits_130_and_can_be_resumed(tone: Path, tmp_path: Path) -> None:
    arguments = command(tone, tmp_path, "a.mp4")
    process = run_fake(*arguments, FAKE_SLOW="0.05")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("part 2 of"):
            process.send_signal(signal.SIGINT)
            break
    assert process.wait() == 130
    assert "run the same command again" in process.stderr.read()
    assert not (tmp_path / "a.mp4").exists()
    again = run_fake(*arguments)
    assert again.wait() == 0
    assert again.stderr is not None
    assert "there from an earlier run" in again.stderr.read()


def test_full_disk_is_said_and_loses_nothing(tone: Path, tmp_path: Path) -> None:
    whole, broken = command(tone, tmp_path, "whole.mp4"), command(tone, tmp_path, "broken.mp4")
    assert run_fake(*whole).wait() == 0
    piece = (tmp_path / "whole.mp4").stat().st_size // 2
    process = run_fake(*broken, most_bytes=piece)
    _, said = process.communicate()
    assert process.returncode == 4
    assert "Traceback" not in said
    assert "finished parts are kept" in said
    assert not list(tmp_path.glob("*broken*"))
    assert run_fake(*broken).wait() == 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_stop_right_after_the_file_is_in_place_finds_it_again(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("soundreel.api.write_sidecar", fail)
        with pytest.raises(KeyboardInterrupt):
            generate(request, settings)
    before = digest(tmp_path / "a.mp4")
    result = generate(request, settings)
    assert digest(result.path) == before
    assert result.sidecar.exists()


def test_second_process_is_refused(tone: Path, tmp_path: Path, settings: Settings) -> None:
    request = request_for(tone, tmp_path / "a.mp4")

    def again(event: Event) -> None:
        if isinstance(event, ChunkSealed) and event.index == 0:
            with pytest.raises(WorkError, match="another process"):
                generate(request, settings)
            raise KeyError("seen")

    with pytest.raises(KeyError, match="seen"):
        generate(request, settings, control=RunControl(again))


def test_chunks_of_another_plan_are_refused(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    monkeypatch.setattr(fakes.FakeReady, "identity", {"model": "fake 2"})
    with pytest.raises(WorkError, match="another plan") as caught:
        generate(request, settings)
    assert "delete" in caught.value.hint
    assert list(settings.work_dir.glob("*/chunk-*.state"))


def test_engine_away_in_mid_job_is_an_error_and_loses_nothing(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    with monkeypatch.context() as patch:
        patch.setattr(fakes.FakeEngine, "available", False)
        with pytest.raises(EngineUnavailable):
            generate(request, settings)
    assert generate(request, settings).resumed_chunks == 1


def test_damaged_state_is_noticed(tone: Path, tmp_path: Path, settings: Settings) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    [state] = settings.work_dir.glob("*/chunk-*.state")
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    with pytest.raises(WorkError, match="damaged"):
        generate(request, settings)


def test_work_is_removed_when_done_unless_kept(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    generate(request_for(tone, tmp_path / "a.mp4"), settings)
    assert not list(settings.work_dir.glob("*/"))
    generate(request_for(tone, tmp_path / "b.mp4"), settings, keep_job=True)
    assert list(settings.work_dir.glob("*/chunk-00000.mp4"))


def test_failed_start_leaves_nothing(tmp_path: Path, tone: Path, settings: Settings) -> None:
    with pytest.raises(InputError):
        generate(request_for(tone, tmp_path / "a.mp4", options={"no_such": 1}), settings)
    assert not list(settings.work_dir.glob("*/"))
    assert not (tmp_path / "a.mp4").exists()
