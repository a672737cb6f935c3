"""What a job meets on a server: others, old files, failures, and a user who stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyui.conftest import once
from comfyui.engine_tools import (
    digest,
    flat,
    listening,
    make_plan,
    notices,
    opened,
    pitches,
    render,
    write_melody,
)
from comfyui.fake.server import FakeComfyUI
from soundreel.errors import Cancelled, EngineUnavailable, RemoteError
from soundreel.events import Event, RunControl, StepDone, StepPreview

pytestmark = pytest.mark.usefixtures("quick_polls")

FRAMES = 100


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_melody(tmp_path_factory.mktemp("sound") / "melody.wav", pitches(FRAMES))


@pytest.fixture(scope="module")
def undisturbed(audio: Path) -> str:
    """What a run without faults makes."""
    with FakeComfyUI() as server:
        return digest(flat(render(server, make_plan(server, audio, num_frames=FRAMES))))


def test_a_silent_socket_changes_nothing(
    audio: Path, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.run.LOST_SECONDS", 0.5)
    with FakeComfyUI() as server:
        server.faults.silent = True
        made = flat(render(server, make_plan(server, audio, num_frames=FRAMES)))
    assert digest(made) == undisturbed


def test_others_jobs_are_waited_for(audio: Path, undisturbed: str) -> None:
    control, events = listening()
    with FakeComfyUI() as server:
        other = server.add_foreign_job(60)
        once(lambda: "1 other job" in notices(events), lambda: server.end_foreign_job(other))
        made = flat(render(server, make_plan(server, audio, num_frames=FRAMES), control))
    assert digest(made) == undisturbed
    assert "1 other job" in notices(events)


def test_a_second_run_does_not_take_old_files(audio: Path, undisturbed: str) -> None:
    """The server has everything cached, and its temp folder was cleaned in between."""
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=FRAMES)
        render(server, plan)
        server.delete_files("temp")
        assert digest(flat(render(server, plan))) == undisturbed


def test_steps_and_previews_are_told(audio: Path) -> None:
    control, events = listening()
    with FakeComfyUI() as server:
        render(server, make_plan(server, audio, num_frames=FRAMES), control)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert {(event.chunk, event.steps) for event in steps} == {(0, 4), (1, 4)}
    assert {event.step for event in steps} == {1, 2, 3, 4}
    assert all(event.image for event in events if isinstance(event, StepPreview))


def test_stopping_takes_our_prompt_off_and_no_one_elses(audio: Path) -> None:
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            control.cancel()

    control.on_event = stop
    with FakeComfyUI() as server:
        server.faults.step_seconds = 0.05
        server.faults.ignored_interrupts = 1
        with pytest.raises(Cancelled):
            render(server, make_plan(server, audio, num_frames=FRAMES), control)
        foreign = server.add_foreign_job(5.0)
        assert server.queue_ids() == [foreign]


def test_a_failing_node_is_named_with_the_servers_words(audio: Path) -> None:
    with FakeComfyUI() as server:
        server.faults.fail_node = ("VAEDecode", "RuntimeError", "bad tensor")
        with pytest.raises(RemoteError, match="bad tensor") as caught:
            render(server, make_plan(server, audio, num_frames=FRAMES))
    assert caught.value.node_id == "87"


def test_an_interrupt_from_elsewhere_is_said(audio: Path) -> None:
    with FakeComfyUI() as server:
        server.faults.step_seconds = 0.3
        plan = make_plan(server, audio, num_frames=FRAMES)
        once(lambda: server.engine.last_node, server.interrupt_from_elsewhere)
        with pytest.raises(RemoteError, match="interrupted"):
            render(server, plan)


def test_a_server_that_is_gone_when_the_job_opens_is_said(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=FRAMES)
    with pytest.raises(EngineUnavailable), opened(server, plan):
        pass


def test_the_state_after_a_failed_chunk_is_the_one_before_it(audio: Path, undisturbed: str) -> None:
    """A chunk that failed can be rendered again in the same session."""
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=FRAMES)
        control = RunControl()
        with opened(server, plan) as session:
            made = list(session.render(plan.chunks[0], control))
            server.faults.fail_node = ("VAEDecode", "RuntimeError", "bad tensor")
            with pytest.raises(RemoteError):
                list(session.render(plan.chunks[1], control))
            server.faults.fail_node = None
            made += list(session.render(plan.chunks[1], control))
    assert digest(made) == undisturbed
