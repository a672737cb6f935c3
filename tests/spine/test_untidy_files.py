"""Files that change, break, or lie where they should not: said, never mixed into a video."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import ChunkSealed, ChunkStarted, Event, FrameDone, Notice, RunControl
from soundreel.types import Request
from soundreel.work.files import create

TESTS = Path(__file__).parents[1]


def request_for(tone: Path, output: Path | None, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    return Request(**{**values, "seed": 3, "output": output, **changes})  # type: ignore[arg-type]


def stopped_at(frame: int, request: Request, settings: Settings) -> Path:
    """The job's folder after a run that was stopped."""
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= frame:
            control.cancel()

    control.on_event = watch
    with pytest.raises(Cancelled):
        generate(request, settings, control=control)
    [folder] = settings.work_dir.glob("*/")
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("index", [0, 1])
def test_a_flipped_bit_in_a_sealed_piece_is_not_joined(
    tone: Path, tmp_path: Path, settings: Settings, index: int
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    piece = stopped_at(45, request, settings) / f"chunk-{index:05}.mp4"
    data = bytearray(piece.read_bytes())
    data[len(data) // 2] ^= 4
    piece.write_bytes(data)
    with pytest.raises(WorkError, match=f"{piece.name} is damaged"):
        generate(request, settings)
    assert not (tmp_path / "a.mp4").exists()


def test_a_bit_that_flips_after_the_last_seal_is_not_joined(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    def flip(event: Event) -> None:
        if isinstance(event, ChunkSealed) and event.index == event.count - 1:
            [piece] = settings.work_dir.glob("*/chunk-00002.mp4")
            piece.write_bytes(piece.read_bytes()[:-1] + b"?")

    with pytest.raises(WorkError, match=r"chunk-00002\.mp4 is damaged"):
        generate(request_for(tone, tmp_path / "a.mp4"), settings, control=RunControl(flip))


@pytest.mark.parametrize("at", ["first chunk", "last seal"])
@pytest.mark.parametrize("how", ["other sound", "same size and time", "gone"])
def test_a_sound_that_is_replaced_while_the_job_runs(
    tone: Path, tmp_path: Path, settings: Settings, at: str, how: str
) -> None:
    kept, before = tmp_path / "kept.wav", tone.stat()
    shutil.copy2(tone, kept)

    def replace_sound(event: Event) -> None:
        first = isinstance(event, ChunkStarted) and event.index == 1 and at == "first chunk"
        last = isinstance(event, ChunkSealed) and event.index == event.count - 1
        if not first and not (last and at == "last seal"):
            return
        data = kept.read_bytes()
        if how == "gone":
            tone.unlink()
        elif how == "other sound":
            tone.write_bytes(data + bytes(2000))
        else:
            tone.write_bytes(data[:3000] + bytes(2000) + data[5000:])
            os.utime(tone, ns=(before.st_atime_ns, before.st_mtime_ns))

    request = request_for(tone, tmp_path / "a.mp4")
    told = "no such file|changed" if how == "gone" else "changed while the job ran"
    with pytest.raises((WorkError, InputError) if how == "gone" else WorkError, match=told):
        generate(request, settings, control=RunControl(replace_sound))
    assert not (tmp_path / "a.mp4").exists()
    assert hidden(tmp_path) == []
    shutil.copy2(kept, tone)
    result = generate(request, settings)  # with the old sound back, what is sealed is right
    assert result.resumed_chunks == (1 if at == "first chunk" else 5)
    whole = generate(request_for(tone, tmp_path / "b.mp4"), settings)
    assert digest(result.path) == digest(whole.path)


def test_chunks_without_their_facts_are_made_again(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, tmp_path / "a.mp4", seed=-1)
    folder = stopped_at(45, request, settings)
    (folder / "job.json").unlink()
    events: list[Event] = []
    result = generate(request, settings, control=RunControl(events.append))
    assert result.resumed_chunks == 0
    assert any("are not used" in one.message for one in events if isinstance(one, Notice))
    alike = replace(request, seed=result.plan.request.seed, output=tmp_path / "b.mp4")
    assert digest(generate(alike, settings).path) == digest(result.path)


@pytest.mark.parametrize("facts", ["[]", "null", '{"engine": 5}', '{"seed": -4}', "[" * 90000])
def test_facts_of_a_wrong_shape_are_told(
    tone: Path, tmp_path: Path, settings: Settings, facts: str
) -> None:
    request = request_for(tone, tmp_path / "a.mp4")
    folder = stopped_at(45, request, settings)
    (folder / "job.json").write_text(facts)
    with pytest.raises(WorkError) as caught:
        generate(request, settings)
    assert str(folder) in caught.value.hint


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_killed_run_left_beside_the_video_goes_with_the_next(
    tone: Path, tmp_path: Path, moment: str
) -> None:
    """Killed right before or right after the file gets its name, as a second link."""
    out = tmp_path / "out"
    command = [
        str(tone), "--engine", "fake", "--size", "64x48", "--seed", "3", "-q",
        "--work-dir", str(tmp_path / "work"), "-o", str(out / "a.mp4"),
    ]  # fmt: skip
    code = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "import fakes\n"
        "from soundreel.cli.app import run\n"
        "link, die = os.link, lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"os.link = lambda *a: (die(), 0) if {moment == 'before'} else (link(*a), die())\n"
        "fakes.register()\n"
        "run(sys.argv[1:])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, *command], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any(name.endswith(".part") for name in hidden(out))
    assert (out / "a.mp4").exists() == (moment == "after")
    runner = TESTS / "run_fake.py"
    subprocess.run([sys.executable, str(runner), *command], check=True)
    assert hidden(out) == []
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a.mp4"]
    assert len(fakes.frames_of(out / "a.mp4")) == 80


def test_planted_links_are_never_written_through(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    out = tmp_path / "out"
    out.mkdir()
    request = request_for(tone, out / "o.mp4")
    folder = stopped_at(45, request, settings)
    for name in (".o.mp4.part", "o.json.part", f".soundreel-{folder.name}.part"):
        (out / name).symlink_to(victim)
    for name in ("chunk-00002.mp4", "chunk-00003.state.part", "job.json.part", "owner.part"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(victim)
    generate(request, settings)
    assert victim.read_bytes() == b"precious"


def test_a_planted_temporary_file_is_replaced_not_used(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever guesses its name gains nothing."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")

    def planted_before(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
        create(path)

    monkeypatch.setattr("soundreel.output.create", planted_before)
    generate(request_for(tone, tmp_path / "o.mp4"), settings)
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "o.mp4").is_symlink()


def test_the_video_has_the_usual_permissions(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    result = generate(request_for(tone, tmp_path / "a.mp4"), settings, keep_job=True)
    for path in (result.path, result.sidecar):
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("kind", ["dangling", "loop", "pipe", "long", "sidecar pipe"])
def test_impossible_outputs_are_refused_before_anything_is_made(
    tone: Path, tmp_path: Path, settings: Settings, kind: str
) -> None:
    output = tmp_path / ("n" * 300 + ".mp4" if kind == "long" else "o.mp4")
    if kind == "dangling":
        output.symlink_to(tmp_path / "nowhere")
    elif kind == "loop":
        output.symlink_to(output)
    elif kind == "pipe":
        os.mkfifo(output)
    elif kind == "sidecar pipe":
        os.mkfifo(tmp_path / "o.json")
    events: list[Event] = []
    with pytest.raises((InputError, WorkError)) as caught:
        generate(request_for(tone, output), settings, control=RunControl(events.append))
    assert "appeared while" not in caught.value.message
    assert not any(isinstance(event, FrameDone) for event in events)
    assert hidden(tmp_path) == []


def test_a_pipe_is_not_overwritten_but_a_link_to_nowhere_is(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="not a regular file"):
        generate(request_for(tone, tmp_path / "pipe.mp4"), settings, overwrite=True)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere")
    generate(request_for(tone, tmp_path / "link.mp4"), settings, overwrite=True)
    assert not (tmp_path / "link.mp4").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_the_longest_name_that_leaves_room_for_the_sidecar(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    assert generate(request_for(tone, tmp_path / f"{'n' * 246}.mp4"), settings).sidecar.exists()
    with pytest.raises(WorkError, match="too long"):
        generate(request_for(tone, tmp_path / f"{'n' * 251}.mp4"), settings)


def test_a_record_never_replaces_a_file_that_the_video_is_made_from(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps({"a": "workflow"}))
    monkeypatch.setattr(
        Request, "files", property(lambda request: {"audio": request.audio, "workflow": graph})
    )
    with pytest.raises(InputError, match="made from"):
        generate(request_for(tone, tmp_path / "graph.mp4"), settings, overwrite=True)
    assert json.loads(graph.read_text()) == {"a": "workflow"}


def test_a_share_without_links_and_locks_gets_its_video(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("fcntl.flock", refuse)
    assert generate(request_for(tone, tmp_path / "a.mp4"), settings).path.exists()
    assert hidden(tmp_path) == []


def test_an_automatic_name_that_another_video_took_meanwhile_is_left_to_it(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = request_for(tone, None)
    folder = stopped_at(45, request, settings)
    taken = Path(json.loads((folder / "job.json").read_text())["output"])
    taken.write_bytes(b"another video")
    result = generate(request, settings)
    assert result.path != taken
    assert taken.read_bytes() == b"another video"
    assert len(fakes.frames_of(result.path)) == 80
