"""What a preset of image to video means, under every engine and in later versions."""

from __future__ import annotations

from typing import Any

import pytest

from soundreel.engines.base import parse_options
from soundreel.engines.wan22_i2v import BOUNDARY, EXPERTS, PRESETS, steps_above
from soundreel.engines.wan22_i2v_options import ImageSamplingOptions
from soundreel.errors import InputError


def options(**values: Any) -> ImageSamplingOptions:
    return parse_options(ImageSamplingOptions, values)


@pytest.mark.parametrize(("preset", "high"), [("fast", 2), ("quality", 10), ("official", 15)])
def test_the_first_model_takes_the_noisy_steps(preset: str, high: int) -> None:
    assert options(sampling_preset=preset).sampling.high_steps == high


def test_the_steps_of_few_step_loras_are_split_where_the_models_were_trained_apart() -> None:
    fast = PRESETS["fast"]
    assert fast.split_step == steps_above(BOUNDARY, fast.steps, fast.flow_shift)
    names = [fast.loras[expert][0].name for expert in EXPERTS]
    assert ["high" in name for name in names] == [True, False]


@pytest.mark.parametrize(
    ("sampler", "steps", "shift"),
    [("unipc", 40, 5.0)]
    + [("euler", steps, shift) for steps in (1, 4, 7, 20, 40) for shift in (1.0, 3.0, 5.0, 8.0)],
)
def test_the_boundary_is_that_of_the_timesteps(sampler: str, shift: float, steps: int) -> None:
    """As in diffusers: the first model takes timesteps of 900 and more."""
    pytest.importorskip("torch")
    from soundreel.engines.wan.sampling.sampler import sigma_ladder

    _, timesteps = sigma_ladder(sampler, steps, shift)
    assert steps_above(BOUNDARY, steps, shift) == int((timesteps >= 900).sum())


def test_other_steps_are_split_at_the_boundary_unless_said() -> None:
    assert options(steps=8).sampling.high_steps == steps_above(BOUNDARY, 8, 5.0)
    assert options(steps=8, split_step=5).sampling.high_steps == 5
    with pytest.raises(InputError, match="there are 4 steps"):
        _ = options(split_step=5).sampling


def test_each_model_has_its_own_loras() -> None:
    loras = options(lora_high=("a.safetensors:0.5",), lora_low=("none",)).sampling.loras
    assert [(lora.name, lora.strength) for lora in loras["high"]] == [("a.safetensors", 0.5)]
    assert loras["low"] == ()


@pytest.mark.parametrize(
    "values", [{}, {"sampling_preset": "quality"}, {"steps": 6}, {"lora_low": ("none",)}]
)
def test_a_record_asks_for_the_same_again(values: dict[str, Any]) -> None:
    then = options(**values)
    recalled = ImageSamplingOptions.recall({}, {"sampling": then.recorded()}, ())
    assert options(**recalled).resolved() == then.resolved()
    assert (
        ImageSamplingOptions.recall({}, {"sampling": then.recorded()}, ("sampling_preset",)) == {}
    )
