"""Inside a step a job is stopped within a few blocks, and the CPU does not run far ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.model.blocks import WanS2VTransformerBlock
from soundreel.engines.wan.sampling.pulse import BLOCKS, Pulse
from soundreel.errors import Cancelled
from soundreel.events import Event, RunControl, SamplingProgress, StepDone
from soundreel.types import Plan, Request
from wan import tiny as wan_tiny

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


class Stack(nn.Module):
    """`length` blocks, each of which counts that it was queued."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Identity() for _ in range(length))
        self.queued = 0
        for block in self.blocks:
            block.register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.queued += 1

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


@dataclass
class Queue:
    """Of a card that computes nothing until it is waited for."""

    model: Stack
    done: int = 0
    ahead: list[int] = field(default_factory=list)

    def mark(self) -> QueueMark:
        return QueueMark(self)


@dataclass
class QueueMark:
    queue: Queue
    at: int = -1

    def record(self) -> None:
        self.at = self.queue.model.queued
        self.queue.ahead.append(self.at - self.queue.done)

    def synchronize(self) -> None:
        assert self.at >= 0, "waited for a mark that was never set"
        self.queue.done = max(self.queue.done, self.at)


def test_progress_is_told_every_few_blocks_and_at_the_end_of_a_pass() -> None:
    told: list[tuple[int, int]] = []
    model = Stack(10)
    with Pulse(model, model.blocks, 2, CPU, lambda *beat: told.append(beat)):
        model(torch.zeros(1))
        model(torch.zeros(1))
    assert told == [(n, 20) for n in (4, 8, 10, 14, 18, 20)]
    model(torch.zeros(1))
    assert len(told) == 6


def test_the_cpu_is_never_far_ahead_of_a_card_and_only_what_is_done_is_told() -> None:
    model = Stack(40)
    queue = Queue(model)
    told: list[int] = []

    def beat(done: int, total: int) -> None:
        assert done <= queue.done
        told.append(done)

    with Pulse(model, model.blocks, 2, CPU, beat, queue.mark):
        model(torch.zeros(1))
        model(torch.zeros(1))
    assert max(queue.ahead) == 2 * BLOCKS
    assert told == list(range(0, 80, BLOCKS))


def test_compiled_blocks_tell_nothing_and_their_passes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    model = Stack(8)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with Pulse(model, model.blocks, 2, CPU, lambda done, _: told.append(done)):
        model(torch.zeros(1))
        model(torch.zeros(1))
    assert told == [8, 16]


@pytest.fixture
def plan(settings: Settings, tone: Path) -> Plan:
    return plan_with(settings, tone)


def plan_with(settings: Settings, tone: Path, **options: float) -> Plan:
    request = Request(
        audio=tone,
        engine="wan",
        width=64,
        height=64,
        seed=7,
        num_frames=5,
        options={**wan_tiny.OPTIONS, **options},
    )
    return plan_request(request, probe(tone), engine(settings), RunControl())


def engine(settings: Settings) -> WanEngine:
    return WanEngine(settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)}))


def test_a_guided_chunk_tells_all_blocks_of_both_passes(settings: Settings, plan: Plan) -> None:
    events: list[Event] = []
    with engine(settings).find(plan.request).open(plan, RunControl()) as session:
        list(session.render(plan.chunks[0], RunControl(events.append)))
    told = [event for event in events if isinstance(event, SamplingProgress)]
    assert [(event.done, event.total) for event in told] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    inside = [type(event) for event in events if isinstance(event, SamplingProgress | StepDone)]
    assert inside == [*[SamplingProgress] * 2, StepDone] * 2


def test_sound_guided_apart_tells_the_blocks_of_three_passes(
    settings: Settings, tone: Path
) -> None:
    events: list[Event] = []
    plan = plan_with(settings, tone, audio_guidance=6.0)
    with engine(settings).find(plan.request).open(plan, RunControl()) as session:
        list(session.render(plan.chunks[0], RunControl(events.append)))
    told = [event for event in events if isinstance(event, SamplingProgress)]
    assert [(event.done, event.total) for event in told] == [(n, 12) for n in (2, 4, 6, 8, 10, 12)]


def test_a_guided_step_is_stopped_between_its_passes(
    settings: Settings, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = RunControl()
    control.on_event = lambda e: control.cancel() if isinstance(e, SamplingProgress) else None
    blocks: list[object] = []
    forward = WanS2VTransformerBlock.forward

    def counted(self: WanS2VTransformerBlock, *given: Any, **named: Any) -> object:
        blocks.append(self)
        return forward(self, *given, **named)

    monkeypatch.setattr(WanS2VTransformerBlock, "forward", counted)
    with (
        engine(settings).find(plan.request).open(plan, control) as session,
        pytest.raises(Cancelled),
    ):
        list(session.render(plan.chunks[0], control))
    assert len(blocks) == 2
