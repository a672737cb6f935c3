"""Compiled blocks: the same pictures, few graphs, hooks outside of them; decided once a job."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from soundreel.api import generate, plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.wan import job as job_module
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.job import decide_compile, make_components
from soundreel.engines.wan.memory.needs import Workload, pieces_of_pass
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.memory.payback import compile_seconds, seconds_saved
from soundreel.engines.wan.model import compiled as compiled_module
from soundreel.engines.wan.model.audio_injector import AudioTokens
from soundreel.engines.wan.model.blocks import WanS2VTransformerBlock
from soundreel.engines.wan.model.compiled import compile_blocks, missing_compiler
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.session import WanSession
from soundreel.errors import Cancelled, EngineError, EngineUnavailable
from soundreel.events import Event, FrameDone, Notice, RunControl, SamplingProgress
from soundreel.types import Plan, Request
from wan import tiny as wan_tiny
from wan.eight_bit import write_eight_bit_folder
from wan.files.weight_files import find_weights

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
NEEDS_COMPILER = pytest.mark.skipif(missing_compiler(CPU) != "", reason=missing_compiler(CPU))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    torch._dynamo.reset()
    with wan_tiny.one_thread():
        yield
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eight_bit_folder(tmp_path_factory.mktemp("eight"))


def request_for(tone: Path, **options: object) -> Request:
    values = {**wan_tiny.OPTIONS, "steps": 1, **options}
    return Request(
        audio=tone, engine="wan", width=64, height=64, num_frames=5, seed=7, options=values
    )


def plan_of(request: Request, folder: Path) -> Plan:
    engine = WanEngine(Settings(models_dir=(folder,)))
    return plan_request(request, probe(request.audio), engine, RunControl())


class CountedGraphs:
    """A backend of torch.compile that runs graphs as they are."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, _inputs: object) -> Callable[..., Any]:
        self.graphs += 1
        run: Callable[..., Any] = graph.forward
        return run


def test_streamed_eight_bit_blocks_with_a_lora_share_two_graphs(
    tone: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for blocks with sound and one for those without, in two passes of one size; a pass is
    told of as often as without."""
    counted = CountedGraphs()
    monkeypatch.setattr(job_module, "compile_blocks", partial(compile_blocks, backend=counted))
    lora = given(models / "style.safetensors", "lora")
    files = Selection(find_weights((models,)), ((lora, 1.0),))
    plan, pictures, beats = plan_of(request_for(tone), models), [], []
    for compiled in (False, True):
        events: list[Event] = []
        control = RunControl(events.append)
        residence = Residence(CPU, "block")
        parts = make_components(files, residence, dtype=torch.float32, compiled=compiled)
        session = WanSession(plan, parse_options(plan.request.options), parts)
        session.prepare(control)
        pictures.append([frame.rgb for frame in session.render(plan.chunks[0], control)])
        beats.append(sum(isinstance(event, SamplingProgress) for event in events))
    assert counted.graphs == 2
    assert beats[0] == beats[1] == 2
    differences = [np.abs(a.astype(int) - b).max() for a, b in zip(*pictures, strict=True)]
    assert max(differences) <= 1, "of 255 levels; turning queries is spelled otherwise"


def block_and_input() -> tuple[WanS2VTransformerBlock, tuple[Any, ...]]:
    torch.manual_seed(0)
    block = WanS2VTransformerBlock(32, 64, 2, 1e-6, inject_audio=True).eval().requires_grad_(False)
    audio = (AudioTokens(torch.randn(1, 2, 4, 32), torch.randn(1, 2, 32)),)
    turns = torch.randn(12, 1, 8, 2)
    given = torch.randn(1, 12, 32), torch.randn(1, 5, 32), torch.randn(1, 2, 6, 32), turns, audio, 8
    return block, given


@NEEDS_COMPILER
@torch.no_grad()
def test_torchs_own_compiler_gives_the_same_numbers() -> None:
    block, given = block_and_input()
    expected = block(*given)
    compile_blocks(nn.ModuleList([block]))
    with warnings.catch_warnings(action="error"):
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        made = block(*given)
    assert torch.allclose(made, expected, atol=2e-5)


@torch.no_grad()
def test_what_cannot_be_compiled_is_said() -> None:
    def broken(*_: object) -> Callable[..., Tensor]:
        raise ValueError("no such target")

    block, given = block_and_input()
    compile_blocks(nn.ModuleList([block]), broken)
    with pytest.raises(EngineError, match="no such target") as raised:
        block(*given)
    assert "`compile='off'`" in raised.value.hint


@torch.no_grad()
def test_blocks_that_are_all_of_their_own_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_module, "GRAPHS", 1)
    block, given = block_and_input()
    compile_blocks(nn.ModuleList([block]), "eager")
    block(*given)
    fewer = (given[0][:, :10], *given[1:3], given[3][:10], given[4], 8)
    with pytest.raises(EngineError, match="could not be compiled"):
        block(*fewer)


# --- the decision -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "found", "device", "missing"),
    [
        (True, "/usr/bin/c++", CARD, ""),
        (False, "/usr/bin/c++", CARD, "the package triton"),
        (True, None, CARD, "a C++ compiler"),
        (False, "/usr/bin/c++", CPU, ""),
        (True, "/usr/bin/c++", torch.device("mps"), "a compiler for mps, which is untried"),
    ],
)
def test_what_a_machine_lacks_to_compile(
    monkeypatch: pytest.MonkeyPatch,
    there: bool,
    found: str | None,
    device: torch.device,
    missing: str,
) -> None:
    monkeypatch.setattr(compiled_module, "find_spec", lambda _: object() if there else None)
    monkeypatch.setattr(compiled_module, "which", lambda _: found)
    assert missing_compiler(device) == missing


def test_compiling_is_chosen_where_it_pays_back_within_the_job(
    tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = wan_tiny.model_folder()
    plan, files = plan_of(request_for(tone), folder), Selection(find_weights((folder,)))
    cost = compile_seconds(plan, first_motion=False)
    long = 2 * cost / seconds_saved(1.0)
    monkeypatch.setattr(job_module, "choose_device", lambda: CARD)
    monkeypatch.setattr(job_module, "missing_compiler", lambda _: "")

    def decided(likely_s: float | None, **options: object) -> tuple[bool, list[str]]:
        events: list[Event] = []
        answer = decide_compile(
            plan, parse_options(options), files, likely_s, RunControl(events.append)
        )
        return answer, [event.message for event in events if isinstance(event, Notice)]

    chosen, said = decided(long)
    assert chosen
    assert len(said) == 1
    assert said[0].startswith("compile: on")
    assert decided(long / 4) == (False, [])
    assert decided(None) == (False, [])
    assert decided(long, compile="off") == (False, [])
    assert decided(None, compile="on") == (True, [])
    monkeypatch.setattr(job_module, "missing_compiler", lambda _: "a C++ compiler")
    assert decided(long) == (False, [])
    with pytest.raises(EngineUnavailable, match="needs a C"):
        decided(long, compile="on")


def test_more_sizes_and_larger_pictures_take_longer_to_compile(tone: Path) -> None:
    folder = wan_tiny.model_folder()
    requests = [replace(request_for(tone), num_frames=count) for count in (5, 13, 21)]
    seconds = [compile_seconds(plan_of(each, folder), first_motion=False) for each in requests]
    assert seconds[1] == seconds[2] == 2 * seconds[0], "without motion, and with it"
    assert [pieces_of_pass(Workload(*size, 80)) for size in ((480, 832), (832, 1216))] == [5, 11]


def test_the_decision_is_kept_when_a_job_is_resumed(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is part of what the record names."""
    settings = settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)})
    compiled: list[int] = []
    monkeypatch.setattr(job_module, "compile_blocks", lambda blocks: compiled.append(len(blocks)))
    monkeypatch.setattr("soundreel.engines.wan.job.decide_compile", lambda *_: True)
    request = replace(request_for(tone), num_frames=13, output=tmp_path / "a.mp4")
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= 8:
            control.cancel()

    control.on_event = stop
    with pytest.raises(Cancelled):
        generate(request, settings, control=control)
    assert len(compiled) == 1
    monkeypatch.setattr("soundreel.engines.wan.job.decide_compile", lambda *_: False)
    result = generate(request, settings)
    assert result.resumed_chunks == 1
    assert len(compiled) == 2
    sidecar = json.loads(result.sidecar.read_text(encoding="utf-8"))
    assert sidecar["engine"]["compiled"] == "the transformer's blocks"
