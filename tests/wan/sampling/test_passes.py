"""How often the transformer runs: what is planned, what is said and what is done agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.wan import cost, job
from soundreel.engines.wan.encoders.tiles import WHOLE
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.load.models import load_transformer
from soundreel.engines.wan.memory.estimate import Passes
from soundreel.engines.wan.memory.fit import Fit
from soundreel.engines.wan.memory.needs import StageNeeds
from soundreel.engines.wan.memory.rates import read_rates
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling.passes import CACHES, Caching, Interval, parse_interval
from soundreel.engines.wan.session import WanSession
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl, SamplingProgress
from soundreel.types import Chunk, Plan, Request
from wan import tiny as wan_tiny


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


# --- the interval -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps", "guided"),
    [
        ("0:1", 4, "1111"),
        ("0:0.5", 4, "1100"),
        ("0.25:0.75", 4, "0110"),
        (".1:.6", 10, "0111110000"),
        ("0.3:1", 10, "0001111111"),  # a float's 0.3 * 10 is below 3
        ("0:0.5", 5, "11000"),  # rounded down, as in diffusers' guiders
    ],
)
def test_an_interval_is_a_share_of_the_steps(text: str, steps: int, guided: str) -> None:
    assert parse_interval(text).guided(steps) == tuple(sign == "1" for sign in guided)


def test_intervals_are_those_of_diffusers_guiders() -> None:
    from diffusers.guiders import ClassifierFreeGuidance

    for start, stop in ((0.0, 1.0), (0.25, 0.75), (0.125, 0.6), (0.5, 1.0)):
        guider = ClassifierFreeGuidance(guidance_scale=4.5, start=start, stop=stop)
        interval = Interval(Fraction(start), Fraction(stop))
        theirs = []
        for step in range(16):
            guider.set_state(step, 16, None)
            theirs.append(guider.num_conditions == 2)
        assert interval.guided(16) == tuple(theirs)


@pytest.mark.parametrize(
    "text", ["", "0.5", "0.5:0.5", "0.6:0.2", "0:1.01", "-0.1:1", "0:nan", "0:1e9", "a:b", "0:1:2"]
)
def test_what_is_no_interval_is_said_so(text: str) -> None:
    with pytest.raises(InputError, match="START:END") as caught:
        parse_options({"sampling_preset": "official", "guidance_interval": text})
    assert caught.value.fields == {"options.guidance_interval": text}


def test_an_interval_without_guidance_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="no guidance to limit"):
        parse_options({"guidance_interval": "0:0.5"})
    with pytest.raises(InputError, match="no step of 20"):
        parse_options({"sampling_preset": "quality", "guidance_interval": "0.01:0.04"})
    assert parse_options({"guidance_interval": "0:1"}).passes == 4


def test_passes_are_steps_and_guided_steps() -> None:
    def passes(**options: object) -> int:
        return parse_options(options).passes

    assert passes() == 4
    assert passes(sampling_preset="official") == 80
    assert passes(sampling_preset="official", guidance_interval="0:0.5") == 60
    assert passes(sampling_preset="quality", guidance_interval="0.1:0.6") == 30
    assert passes(sampling_preset="quality", guidance_scale=1) == 20
    assert passes(sampling_preset="official", audio_guidance=6) == 120
    assert passes(sampling_preset="official", audio_guidance=6, guidance_interval="0:0.5") == 80
    assert passes(sampling_preset="official", audio_guidance=4.5) == 80, "as Wan guides both"
    assert passes(audio_guidance=2) == 8
    assert passes(audio_guidance=1) == 4
    assert passes(audio_guidance=2, guidance_interval="0:0.5") == 6


def test_the_plan_counts_those_passes(
    settings: Settings, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of official's 80, 20 fall away; the time follows (tests/wan/memory/test_fit.py)."""
    asked: list[tuple[Passes, object]] = []
    monkeypatch.setattr(
        cost, "predict", lambda *_, **named: asked.append((named["passes"], named["ways"]))
    )
    engine = WanEngine(settings.model_copy(update={"gpu": "RTX 4090", "models_dir": ()}))

    def planned(**options: object) -> Passes:
        options = {"sampling_preset": "official", "cache": "fast", **options}
        request = Request(audio=tone, engine="wan", width=64, height=64, seed=7, options=options)
        engine.estimate(plan_request(request, probe(tone), engine, RunControl()))
        passes, ways = asked.pop()
        assert passes.speedup == CACHES["fast"].speedup
        assert ways == {"cache": "fast"}
        return passes

    passes = planned(guidance_interval="0:0.5")
    assert (passes.planned, passes.a_step, passes.texts, passes.least) == (60, 2, 2, 8 * 2 + 1)
    passes = planned(audio_guidance=6)
    assert (passes.planned, passes.a_step, passes.texts, passes.least) == (120, 3, 2, 9 * 3)
    passes = planned(audio_guidance=6, guidance_scale=1)
    assert (passes.planned, passes.a_step, passes.texts, passes.least) == (80, 2, 1, 9 * 2)


# --- the work -----------------------------------------------------------------------------------


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts passes and evaluated blocks of every model that a session takes."""
    counted: Counter[str] = Counter()

    def count(name: str) -> Callable[..., None]:
        return lambda *_: counted.update([name])

    def loaded(*arguments: Any, **named: Any) -> WanS2VTransformer3DModel:
        model = load_transformer(*arguments, **named)
        model.register_forward_hook(count("passes"))
        for block in model.blocks:
            block.get_submodule("ffn").register_forward_hook(count("blocks"))
        return model

    monkeypatch.setattr("soundreel.engines.wan.job.load_transformer", loaded)
    return counted


@dataclass
class Opened:
    plan: Plan
    session: WanSession
    control: RunControl
    events: list[Event]

    def render(self, chunk: Chunk) -> np.ndarray:
        return np.stack([frame.rgb for frame in self.session.render(chunk, self.control)])

    @property
    def told(self) -> list[SamplingProgress]:
        return [event for event in self.events if isinstance(event, SamplingProgress)]


@contextmanager
def opened(
    settings: Settings, tone: Path, options: dict[str, object], num_frames: int = 5
) -> Iterator[Opened]:
    """A session on the tiny model."""
    request = Request(
        audio=tone, engine="wan", width=64, height=64, seed=7, num_frames=num_frames,
        options={**wan_tiny.OPTIONS, **options},
    )  # fmt: skip
    engine = WanEngine(settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)}))
    plan = plan_request(request, probe(tone), engine, RunControl())
    events: list[Event] = []
    control = RunControl(on_event=events.append)
    with engine.find(plan.request).open(plan, control) as session:
        assert isinstance(session, WanSession)
        yield Opened(plan, session, control, events)


@pytest.mark.parametrize(
    ("interval", "sound", "passes"),
    [
        ("0:1", None, 8), ("0:0.5", None, 6), ("0.5:0.75", None, 5),
        ("0:1", 6.0, 12), ("0:0.5", 6.0, 8), ("0:0.5", 2.0, 6),
    ],
)  # fmt: skip
def test_steps_outside_the_interval_take_one_pass(
    settings: Settings,
    tone: Path,
    work: Counter[str],
    interval: str,
    sound: float | None,
    passes: int,
) -> None:
    options = {"steps": 4, "guidance_interval": interval, "audio_guidance": sound}
    with opened(settings, tone, options) as wan:
        wan.render(wan.plan.chunks[0])
    assert work["passes"] == parse_options(wan.plan.request.options).passes == passes
    assert [each.passes for each in wan.session.sampled] == [passes]
    assert work["blocks"] == wan.told[-1].done == wan.told[-1].total


def test_a_step_cache_saves_blocks_by_whole_passes(
    settings: Settings, tone: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 10 guided steps 3 are always computed, in every chunk: each begins anew. What the cache
    answers counts as done."""
    monkeypatch.setitem(CACHES, "faster", Caching(1e9, 1.0, "a test"))
    with opened(settings, tone, {"steps": 10, "cache": "faster"}, num_frames=13) as wan:
        for number, chunk in enumerate(wan.plan.chunks, 1):
            wan.render(chunk)
            assert work["passes"] == 6 * number
    assert number == 2
    said = [event.message for event in wan.events if isinstance(event, Notice)]
    assert said == ["the step cache left out 28 of 40 passes of the model, 70%"]
    assert work["blocks"] * 20 == 6 * 2 * wan.told[-1].total
    assert [each.passes for each in wan.session.sampled] == [6, 6]
    assert wan.told[-1].done == wan.told[-1].total


def test_a_chunk_after_a_restart_is_the_same_with_a_cache(
    settings: Settings, tone: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CACHES, "faster", Caching(1.0, 1.0, "a test"))
    options: dict[str, object] = {"steps": 10, "cache": "faster"}
    with opened(settings, tone, options, num_frames=13) as wan:
        first, second = wan.plan.chunks
        wan.render(first)
        state = wan.session.snapshot()
        whole = wan.render(second)
    assert work["passes"] < 2 * 20, "the cache answered nothing"
    with opened(settings, tone, options, num_frames=13) as again:
        again.session.restore(state)
        assert np.array_equal(again.render(second), whole)


def test_the_rate_of_a_job_with_a_cache_says_what_was_computed(
    settings: Settings, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6 of 20 passes: the operations of those alone are counted."""
    monkeypatch.setitem(CACHES, "faster", Caching(1e9, 1.0, "a test"))
    way = Fit("model", WHOLE, (StageNeeds("sampling", 0, 0, 10**12, True),))
    monkeypatch.setattr(job, "_way", lambda *_: way)
    with opened(settings, tone, {"steps": 10, "cache": "faster"}) as wan:
        wan.render(wan.plan.chunks[0])
    (rate,) = read_rates(settings.work_dir / "wan-rates.json")
    assert rate.ways == {"offload": "model", "cache": "faster"}
    assert rate.computed == 6 / 20
    (sampled,) = wan.session.sampled
    assert rate.tflops == pytest.approx(6 / sampled.seconds)
