"""A job goes on where it was: after a stop, and on a server that has forgotten everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyui.engine_tools import (
    digest,
    flat,
    make_plan,
    opened,
    pitches,
    render,
    write_melody,
)
from comfyui.fake.server import FakeComfyUI
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineError
from soundreel.events import ChunkSealed, Event, RunControl
from soundreel.types import Request


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return write_melody(tmp_path / "melody.wav", pitches(260))


def test_a_restored_session_goes_on_on_a_server_that_was_wiped(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=230)
        control = RunControl()
        whole = render(server, plan)
        with opened(server, plan) as session:
            list(session.render(plan.chunks[0], control))
            state = session.snapshot()
    with FakeComfyUI() as other, opened(other, plan) as session:
        session.restore(state)
        rest = [list(session.render(chunk, control)) for chunk in plan.chunks[1:]]
    assert digest(flat(rest)) == digest(flat(whole[1:]))


def test_a_snapshot_is_the_motion_of_nineteen_latents_and_nothing_else(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=230)
        with opened(server, plan) as session:
            sizes = []
            for chunk in plan.chunks:
                list(session.render(chunk, RunControl()))
                sizes.append(len(session.snapshot()))
    floats = 16 * 19 * 8 * 8 * 4
    assert sizes[-1] == 0, "nothing comes after the last chunk"
    assert all(floats < size < floats + 1024 for size in sizes[:-1])


def test_a_chunk_without_the_state_before_it_is_refused(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=100)
        with opened(server, plan) as session, pytest.raises(EngineError, match="part 2"):
            list(session.render(plan.chunks[1], RunControl()))
        assert not server.prompts


def test_nothing_but_empty_files_stays_on_the_server(audio: Path) -> None:
    with FakeComfyUI() as server:
        render(server, make_plan(server, audio, num_frames=230))
        kept = {place: data for place, data in server.files.items() if place[0] != "temp"}
    assert {place[:2] for place in kept} == {("output", "soundreel")}
    assert not any(kept.values())


def test_same_bytes_are_sent_once(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=230)
        render(server, plan)
        sent = [name for name in server.uploads if name.endswith(".wav")]
    assert len(plan.chunks) == 3
    assert len(sent) == 1


def test_a_stopped_job_ends_with_the_same_file(audio: Path, tmp_path: Path) -> None:
    def settings(name: str, server: FakeComfyUI) -> Settings:
        return Settings(url=server.url, work_dir=tmp_path / name, output_dir=tmp_path / name)

    request = Request(audio=audio, engine="comfyui", width=64, height=64, seed=4, num_frames=200)
    with FakeComfyUI() as server:
        whole = generate(request, settings("whole", server))
        control = RunControl()

        def stop(event: Event) -> None:
            if isinstance(event, ChunkSealed):
                control.cancel()

        control.on_event = stop
        with pytest.raises(Cancelled):
            generate(request, settings("parts", server), control=control)
        server.restart()
        resumed = generate(request, settings("parts", server))
    assert resumed.resumed_chunks == 1
    assert resumed.path.read_bytes() == whole.path.read_bytes()
