"""How many bytes a pass of the 14B moves, as `make bench` counts and prints it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from bench.traffic import BEFORE, TARGET, traffic

from soundreel.engines.wan.memory.needs import Workload


def test_a_pass_moves_a_third_less_than_it_did_and_loras_are_free_of_tokens() -> None:
    workload = Workload(832, 1216, 80)
    plain, with_lora = traffic(workload, "fp8_scaled"), traffic(workload, "fp8_scaled", rank=64)
    assert plain["elementwise"] <= TARGET * BEFORE
    assert with_lora["elementwise"] == plain["elementwise"]
    assert with_lora["products"] == plain["products"]
    # Once a pass for each of the 245 million weights of a block: 1 byte read, 6 moved in bf16.
    restored = 40 * (6 * 5120**2 + 2 * 5120**2 + 2 * 5120 * 13824) * 7
    assert restored < plain["restoring"] < 1.7 * restored
