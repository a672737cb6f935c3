"""Steps that a cache answers: which, with what, and how many blocks of the model that saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor

from soundreel.config import Settings
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling.passes import CACHES, always_computed
from soundreel.engines.wan.sampling.sampler import denoise, guide, make_solver
from soundreel.engines.wan.sampling.step_cache import StepCache
from soundreel.engines.wan22 import Sampling
from soundreel.errors import InputError
from soundreel.types import Request
from wan import tiny as wan_tiny


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(1))


class Pull:
    """A flow to `goal`, at a speed that changes a little with the time. Counts its calls."""

    def __init__(self, goal: float, bend: float = 0.1) -> None:
        self.goal, self.bend, self.calls = goal, bend, 0

    def __call__(self, latents: Tensor, timestep: Tensor) -> Tensor:
        self.calls += 1
        return (latents - self.goal) * (1 + self.bend * timestep / 1000)


def walk(predict: Any, noise: Tensor, steps: int = 20) -> Tensor:
    solver = make_solver(Sampling(steps, 1.0, 3.0, "euler"))
    return list(denoise(predict, noise, solver, lambda: None))[-1].latents


# --- which steps --------------------------------------------------------------------------------


def test_the_first_steps_and_the_last_are_always_computed() -> None:
    assert always_computed(40) == (True,) * 8 + (False,) * 31 + (True,)
    assert always_computed(10) == (True,) * 2 + (False,) * 7 + (True,)


def test_a_cache_that_may_change_nothing_changes_nothing(noise: Tensor) -> None:
    cache = StepCache(0.0, 20)
    assert torch.equal(walk(cache.leading(Pull(1.0)), noise), walk(Pull(1.0), noise))
    assert cache.reused == 0


def test_a_cache_without_bounds_computes_what_is_always_computed(noise: Tensor) -> None:
    pull, reuses = Pull(1.0), Counter[str]()
    cache = StepCache(1e9, 20, lambda: reuses.update(["reused"]))
    walk(cache.leading(pull), noise)
    assert pull.calls == sum(always_computed(20)) == 5
    assert cache.reused == reuses["reused"] == 15


def test_a_higher_threshold_computes_less_and_is_further_off(noise: Tensor) -> None:
    exact = walk(Pull(1.0), noise)
    calls, errors = [], []
    for threshold in (0.0, 0.2, 0.5, 1.0):
        pull = Pull(1.0)
        result = walk(StepCache(threshold, 20).leading(pull), noise)
        calls.append(pull.calls)
        errors.append(float((result - exact).norm()))
    assert calls == sorted(calls, reverse=True)
    assert len(set(calls)) == 4
    assert errors == sorted(errors)


def test_the_change_adds_up_until_it_reaches_the_threshold() -> None:
    """x moves by 1 a step and v by 0.5: a change of 4.3 % of 11.5, of 2.9 % of 17. With 12 %, 3 to
    5 steps go by."""
    asked: list[int] = []

    def velocity(latents: Tensor, _: Tensor) -> Tensor:
        asked.append(int(latents))
        return 10 + latents * 0.5 - 0.5 * asked[0]

    predict = StepCache(0.12, 20).leading(velocity)
    for step in range(20):
        predict(torch.tensor(float(step)), torch.zeros(1))
    assert asked == [0, 1, 2, 3, 6, 10, 14, 19]


def test_what_stands_in_is_the_velocity_moved_by_the_latents() -> None:
    cache = StepCache(1e9, 10)
    predict = cache.leading(lambda latents, _: latents * 3)
    values = [float(predict(torch.tensor(x), torch.zeros(1))) for x in (1.0, 2.0, 5.0)]
    assert values == [3.0, 6.0, 5.0 + (6.0 - 2.0)]


def test_latents_that_stand_still_are_computed() -> None:
    """Their rate is 0 / 0."""
    pull = Pull(1.0)
    predict = StepCache(0.1, 10).leading(pull)
    for _ in range(10):
        predict(torch.ones(3) * 2, torch.zeros(1))
    assert pull.calls == 10


# --- both passes of a step ----------------------------------------------------------------------


def test_the_second_pass_follows_the_first_one(noise: Tensor) -> None:
    first, second = Pull(1.0), Pull(-1.0)
    cache = StepCache(0.5, 20)
    walk(guide(cache.leading(first), [(cache.following(second), 4.5)]), noise)
    assert 5 < first.calls == second.calls < 20
    assert cache.reused == 2 * (20 - first.calls)


def test_a_second_pass_that_comes_late_is_computed_once(noise: Tensor) -> None:
    first, second = Pull(1.0), Pull(-1.0)
    cache = StepCache(1e9, 20)
    guided = (False,) * 10 + (True,) * 9 + (False,)
    walk(guide(cache.leading(first), [(cache.following(second), 4.5)], guided), noise)
    assert (first.calls, second.calls) == (5, 1)
    assert cache.reused == 15 + 8


def test_every_pass_of_a_step_follows_the_first_one(noise: Tensor) -> None:
    first, second, third = Pull(1.0), Pull(0.5), Pull(-1.0)
    cache = StepCache(0.5, 20)
    weaker = [(cache.following(second), 6.0), (cache.following(third), 4.5)]
    walk(guide(cache.leading(first), weaker), noise)
    assert 5 < first.calls == second.calls == third.calls < 20
    assert cache.reused == 3 * (20 - first.calls)


# --- the option ---------------------------------------------------------------------------------


def test_few_steps_have_no_cache_and_the_reason_is_said() -> None:
    with pytest.raises(InputError, match="4 steps are too few") as caught:
        parse_options({"cache": "fast"})
    assert caught.value.fields == {"options.cache": "fast"}
    assert parse_options({"cache": "off"}).caching is None
    assert parse_options({"cache": "fast", "sampling_preset": "quality"}).caching == CACHES["fast"]


def test_passes_that_no_cache_answers_are_counted() -> None:
    def least(**options: object) -> int:
        return parse_options({"sampling_preset": "official", **options}).least_passes

    assert least() == 80
    assert least(cache="fast") == 2 * 9
    assert least(cache="faster", guidance_interval="0.5:1") == 8 + 2
    assert least(cache="fast", guidance_scale=1) == 9
    assert least(cache="fast", audio_guidance=6) == 3 * 9
    assert least(cache="faster", audio_guidance=6, guidance_interval="0.5:1") == 8 + 3


def test_the_record_names_the_cache_and_its_threshold(settings: Settings) -> None:
    engine = WanEngine(settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)}))

    def identity(**options: object) -> dict[str, str]:
        options = {**wan_tiny.OPTIONS, "steps": 10, **options}
        request = Request(audio=Path("a.wav"), engine="wan", width=64, height=64, options=options)
        return dict(engine.find(request).identity)

    assert identity(cache="fast")["cache"] == "fast (threshold 0.06)"
    assert identity(cache="off") == identity()
    assert "cache" not in identity()
