"""Ladders, solvers and guidance on models whose result is known."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
import torch

from soundreel.engines.wan.sampling.sampler import (
    denoise,
    draw_noise,
    guide,
    make_solver,
    sigma_ladder,
)
from soundreel.engines.wan22 import PRESETS, Sampling
from soundreel.errors import Cancelled
from soundreel.events import RunControl

CPU = torch.device("cpu")


@pytest.mark.parametrize("sampler", ["unipc", "dpm++", "euler"])
@pytest.mark.parametrize("steps", [1, 2, 4, 20])
def test_a_straight_flow_ends_at_the_clean_latents(sampler: Any, steps: int) -> None:
    """With the true velocity every solver walks along the straight line."""
    clean, noise = torch.randn(1, 4, 2, 3, 3), torch.randn(1, 4, 2, 3, 3)
    solver = make_solver(Sampling(steps, 1.0, 5.0, sampler))
    start = noise + (1 - solver.sigmas[0]) * (clean - noise)
    done = list(denoise(lambda *_: noise - clean, start, solver, lambda: None))
    assert [step.index for step in done] == list(range(1, steps + 1))
    assert torch.allclose(done[-1].latents, clean, atol=1e-5)
    assert all(torch.allclose(step.clean, clean, atol=1e-5) for step in done)


def test_few_step_ladder_is_that_of_the_distilled_weights() -> None:
    """1000, 750, 500, 250 bent by shift 5, not cut to integers: what its makers name as the
    timesteps of the training (ModelTC/Wan2.2-Lightning, issue 3)."""
    fast = PRESETS["fast"]
    sigmas, timesteps = sigma_ladder(fast.sampler, fast.steps, fast.flow_shift)
    trained = [1000.0000, 937.5001, 833.3333, 625.0000]
    assert timesteps.tolist() == pytest.approx(trained, abs=2e-4)
    assert sigmas.tolist() == pytest.approx([*(t / 1000 for t in trained), 0.0], abs=2e-7)
    assert [lora.strength for lora in fast.loras] == [1.0]
    assert fast.guidance_scale == 1


@pytest.mark.parametrize("sampler", ["unipc", "dpm++", "euler"])
def test_ladders_fall_from_noise_to_zero(sampler: Any) -> None:
    sigmas, timesteps = sigma_ladder(sampler, 40, 3.0)
    assert len(sigmas) == 41
    assert len(timesteps) == 40
    assert (sigmas.diff() < 0).all()
    assert sigmas[-1] == 0
    assert (timesteps - sigmas[:-1] * 1000).abs().max() <= 1


def test_guidance_goes_beyond_the_conditional_prediction() -> None:
    def constant(value: float) -> Any:
        return lambda latents, timestep: torch.full((1,), value)

    latents, time = torch.zeros(1), torch.zeros(1)
    assert guide(constant(3.0), [(constant(1.0), 4.5)])(latents, time).item() == 1 + 4.5 * 2
    only = constant(3.0)
    assert guide(only, []) is only


def test_sound_is_guided_apart_from_the_prompt() -> None:
    """u + g (t - u) + a (c - t); of the same scale it is Wan's own u + g (c - u)."""
    c, t, u = (torch.randn(4, generator=torch.Generator().manual_seed(n)) for n in range(3))

    def guided(*weaker: tuple[torch.Tensor, float]) -> torch.Tensor:
        named: Any = [(lambda *_, found=found: found, scale) for found, scale in weaker]
        return guide(lambda *_: c, named)(torch.zeros(1), torch.zeros(1))

    torch.testing.assert_close(guided((t, 6.0), (u, 4.5)), u + 4.5 * (t - u) + 6.0 * (c - t))
    torch.testing.assert_close(guided((t, 4.5), (u, 4.5)), guided((u, 4.5)))
    torch.testing.assert_close(guided((t, 2.0)), t + 2.0 * (c - t))


def test_outside_the_interval_only_the_conditional_pass_is_made() -> None:
    asked: list[str] = []

    def constant(name: str, value: float) -> Any:
        def answer(*_: object) -> torch.Tensor:
            asked.append(name)
            return torch.full((1,), value)

        return answer

    predict = guide(constant("c", 3.0), [(constant("u", 1.0), 4.5)], (False, True, False))
    said = [predict(torch.zeros(1), torch.zeros(1)).item() for _ in range(3)]
    assert said == [3, 10, 3]
    assert asked == ["c", "c", "u", "c"]


def test_cancelling_stops_before_the_next_step() -> None:
    control, latents = RunControl(), torch.randn(1, 1, 1, 2, 2)
    solver = make_solver(PRESETS["official"])
    seen = []

    def walk() -> None:
        for step in denoise(lambda x, _: x, latents, solver, control.raise_if_cancelled):
            seen.append(step.index)
            control.cancel()

    with pytest.raises(Cancelled):
        walk()
    assert seen == [1]


def test_noise_belongs_to_its_seed_and_dtype() -> None:
    first = draw_noise((16, 2, 4, 4), 3, torch.float32, CPU)
    assert first.shape == (1, 16, 2, 4, 4)
    assert torch.equal(first, draw_noise((16, 2, 4, 4), 3, torch.float32, CPU))
    assert not torch.equal(first, draw_noise((16, 2, 4, 4), 4, torch.float32, CPU))
    coarse = draw_noise((16, 2, 4, 4), 3, torch.bfloat16, CPU)
    assert coarse.dtype == torch.float32
    assert torch.equal(coarse, coarse.bfloat16().float())
