"""The engine over a server with faults: the same pictures, or a clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from comfyui.conftest import side_by_side
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
from comfyui.fake.values import decode
from soundreel.errors import Cancelled, OutOfMemory, RemoteError
from soundreel.events import Event, RunControl, StepDone

pytestmark = pytest.mark.usefixtures("quick_polls")

FRAMES = 82
"""Two chunks: 77 pictures and 5."""


@pytest.fixture
def melody(tmp_path: Path) -> Path:
    return write_melody(tmp_path / "melody.wav", pitches(FRAMES + 8))


def run_with(melody: Path, prepare: Callable[[FakeComfyUI], None]) -> tuple[str, FakeComfyUI, str]:
    control, events = listening()
    with FakeComfyUI() as server:
        server.faults.down_seconds = 0.02
        plan = make_plan(server, melody, num_frames=FRAMES)
        prepare(server)
        made = digest(flat(render(server, plan, control)))
        assert server.queue_ids() == []
    return made, server, notices(events)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int, int]:
    """The right pictures; how many socket messages and HTTP requests they take."""
    path = tmp_path_factory.mktemp("right") / "melody.wav"
    made, server, _ = run_with(write_melody(path, pitches(FRAMES + 8)), lambda _: None)
    return made, server.messages_sent, len(server.requests)


def times_sampled(server: FakeComfyUI) -> int:
    return [node for _, node in server.engine.executed_nodes].count("86")


STRIDE = 16
"""Tests of the client strike at every message of one prompt; these at some of two."""


def test_socket_cut_here_and_there(melody: Path, undisturbed: tuple[str, int, int]) -> None:
    right, messages, _ = undisturbed

    def try_at(message: int) -> None:
        def cut(server: FakeComfyUI) -> None:
            server.faults.cut_socket_at = message

        made, server, _ = run_with(melody, cut)
        assert made == right, f"cut at message {message}"
        assert times_sampled(server) == 2, "what was sampled is not sampled again"

    side_by_side(try_at, range(1, messages + 1, STRIDE))


def test_server_restarted_here_and_there(melody: Path, undisturbed: tuple[str, int, int]) -> None:
    right, messages, _ = undisturbed

    def try_at(message: int) -> None:
        def kill(server: FakeComfyUI) -> None:
            server.faults.restart_at = message

        made, server, _ = run_with(melody, kill)
        assert made == right, f"killed at message {message}"
        assert server.restarts == 1

    side_by_side(try_at, range(2, messages + 1, STRIDE))


@pytest.mark.parametrize("fault", ["cut_request_at", "lose_answer_at"])
def test_requests_cut_here_and_there(
    melody: Path, undisturbed: tuple[str, int, int], fault: str
) -> None:
    right, _, requests = undisturbed
    begun = 8  # the first requests are preflight, which says at once that no server is there

    def try_at(number: int) -> None:
        def cut(server: FakeComfyUI) -> None:
            setattr(server.faults, fault, number)

        made, server, said = run_with(melody, cut)
        assert made == right, f"request {number}"
        assert len(server.prompts) == 2
        assert "answers again" in said

    side_by_side(try_at, range(begun, requests + 1, STRIDE))


def test_a_job_goes_on_with_a_server_that_has_lost_everything(
    melody: Path, undisturbed: tuple[str, int, int]
) -> None:
    """Two servers, the second fresh from the box: all that the second chunk needs is with us."""
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=FRAMES)
        with opened(server, plan) as session:
            frames = list(session.render(plan.chunks[0], RunControl()))
            state = session.snapshot()
    with FakeComfyUI() as server, opened(server, plan) as session:
        session.restore(state)
        frames += session.render(plan.chunks[1], RunControl())
    assert digest(frames) == undisturbed[0]


def test_a_wrong_state_gives_other_pictures(
    melody: Path, undisturbed: tuple[str, int, int]
) -> None:
    """The fake does depend on the motion latents, so that the test above can fail."""
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=FRAMES)
        with opened(server, plan) as session:
            frames = list(session.render(plan.chunks[0], RunControl()))
            state = bytearray(session.snapshot())
            state[-1] ^= 1
            session.restore(bytes(state))
            frames += session.render(plan.chunks[1], RunControl())
    assert digest(frames) != undisturbed[0]


def test_cancelled_in_the_second_chunk_and_resumed(
    melody: Path, undisturbed: tuple[str, int, int]
) -> None:
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone) and event.chunk == 1:
            control.cancel()

    control.on_event = stop
    with FakeComfyUI() as server:
        server.faults.step_seconds = 0.02
        plan = make_plan(server, melody, num_frames=FRAMES)
        with opened(server, plan, control) as session:
            frames = list(session.render(plan.chunks[0], control))
            state = session.snapshot()
            with pytest.raises(Cancelled):
                list(session.render(plan.chunks[1], control))
        assert server.queue_ids() == []
        with opened(server, plan) as session:
            session.restore(state)
            frames += session.render(plan.chunks[1], RunControl())
    assert digest(frames) == undisturbed[0]


def test_out_of_memory_says_what_to_do(melody: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=FRAMES)
        failure = ("KSamplerAdvanced", "torch.OutOfMemoryError", "Allocation on device\n")
        server.faults.fail_node = failure
        with pytest.raises(OutOfMemory) as caught:
            render(server, plan)
    assert "size" in caught.value.hint


def test_a_server_that_loses_pictures_is_found_out(
    melody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.run.LOST_SECONDS", 0.5)
    monkeypatch.setattr("comfyui.fake.nodes.decode", lambda latents: decode(latents)[:-1])
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=FRAMES)
        with pytest.raises(RemoteError, match="pictures instead of"):
            render(server, plan)
