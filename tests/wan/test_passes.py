"""How often the transformer runs: what is planned, what is said and what is done agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.wan import job
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.load.models import load_transformer
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.passes import Interval, parse_interval
from soundreel.engines.wan.session import WanSession
from soundreel.errors import InputError
from soundreel.events import Event, RunControl, SamplingProgress
from soundreel.types import Plan, Request
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


def test_the_plan_counts_those_passes(
    settings: Settings, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of official's 80, 20 fall away; the time follows (tests/wan/memory/test_fit.py)."""
    asked: list[tuple[object, object]] = []
    monkeypatch.setattr(
        job, "predict", lambda *_, **named: asked.append((named["passes"], named["guided"]))
    )
    options = {"sampling_preset": "official", "guidance_interval": "0:0.5"}
    request = Request(audio=tone, engine="wan", width=64, height=64, seed=7, options=options)
    engine = WanEngine(settings.model_copy(update={"gpu": "RTX 4090", "models_dir": ()}))
    engine.estimate(plan_request(request, probe(tone), engine, RunControl()))
    assert asked == [(60, True)]


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


def render(
    settings: Settings, tone: Path, options: dict[str, object]
) -> tuple[Plan, WanSession, list[Event]]:
    """One chunk of the tiny model."""
    events: list[Event] = []
    control = RunControl(on_event=events.append)
    request = Request(
        audio=tone, engine="wan", width=64, height=64, seed=7, num_frames=5,
        options={**wan_tiny.OPTIONS, **options},
    )  # fmt: skip
    engine = WanEngine(settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)}))
    plan = plan_request(request, probe(tone), engine, RunControl())
    with engine.find(plan.request).open(plan, control) as session:
        assert isinstance(session, WanSession)
        for chunk in plan.chunks:
            list(session.render(chunk, control))
    return plan, session, events


def told(events: list[Event]) -> list[SamplingProgress]:
    return [event for event in events if isinstance(event, SamplingProgress)]


@pytest.mark.parametrize(("interval", "passes"), [("0:1", 8), ("0:0.5", 6), ("0.5:0.75", 5)])
def test_steps_outside_the_interval_take_one_pass(
    settings: Settings, tone: Path, work: Counter[str], interval: str, passes: int
) -> None:
    plan, session, events = render(settings, tone, {"steps": 4, "guidance_interval": interval})
    assert work["passes"] == passes * len(plan.chunks)
    assert parse_options(plan.request.options).passes == passes
    assert [each.passes for each in session.sampled] == [passes] * len(plan.chunks)
    last = told(events)[-1]
    assert last.done == last.total
    assert work["blocks"] == last.total
