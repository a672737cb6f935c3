"""The table of formulas says what a run counts, to the byte, and says it without torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")

from soundreel.engines.wan.encoders.tiles import LEAST, SMALLEST
from soundreel.engines.wan.memory import counted, needs
from soundreel.engines.wan.memory.counting import Counted, count
from soundreel.engines.wan.memory.fit import stage_needs
from soundreel.engines.wan.memory.needs import (
    OFFLOAD_LEVELS,
    Count,
    OffloadLevel,
    Precision,
    Workload,
)

ROOT = Path(__file__).parents[3]
FORMATS = ("fp8_scaled", "bf16", "fp16")
STALE = "the table is older than the code that it counts: python scripts/needs_table.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("needs_table", ROOT / "scripts/needs_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()


def _plain(found: Counted) -> Count:
    return Count(found.peak_bytes, found.held_bytes, found.flops)


def _guided(found: Counted, passes: int = 2) -> Count:
    """Of so many passes' conditions."""
    others = (passes - 1) * found.held_bytes
    return Count(found.peak_bytes + others, passes * found.held_bytes, found.flops)


# --- the same numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("number_format", ["fp8_scaled", "bf16"])
@pytest.mark.parametrize(
    ("width", "height", "frames"),
    [
        (64, 64, 8),
        (256, 256, 16),
        (480, 832, 8),  # one piece
        (480, 832, 40),  # two
        (832, 480, 84),
        (832, 1216, 16),
        (832, 1216, 80),
        (1920, 1088, 160),  # where attention needs more than what is made for it
    ],
)
def test_a_pass_is_counted_to_the_byte(
    width: int, height: int, frames: int, number_format: str
) -> None:
    load = Workload(width, height, frames)
    found = counted.step_count(load, number_format)
    assert needs.step_count(load, number_format) == _guided(found), STALE


@pytest.mark.parametrize(("width", "height", "frames"), [(480, 832, 8), (832, 1216, 80)])
def test_a_pass_with_queries_in_slices_is_counted_to_the_byte(
    width: int, height: int, frames: int
) -> None:
    whole, load = Workload(width, height, frames).ways_to_attend
    found, told = counted.step_count(load, "bf16"), needs.step_count(load, "bf16")
    assert told == _guided(found), STALE
    at_once = needs.step_count(whole, "bf16")
    assert told.flops == at_once.flops
    assert told.peak_bytes < 0.9 * at_once.peak_bytes


def test_so_it_is_at_sizes_and_conditions_that_the_table_was_not_made_from() -> None:
    loads = {(load.reference, load.motion): load for load in SCRIPT.workloads(60, seed=1)}
    assert len(loads) == 4
    for load in loads.values():
        found = counted.step_count(load, "fp8_scaled")
        assert needs.step_count(load, "fp8_scaled") == _guided(found), STALE


@pytest.mark.parametrize("number_format", ["fp8_scaled", "bf16"])
@pytest.mark.parametrize(
    ("width", "height", "frames", "speakers"),
    [(64, 64, 8, 2), (256, 256, 16, 3), (480, 832, 40, 2), (832, 1216, 80, 2), (1920, 1088, 48, 4)],
)
def test_one_pass_of_a_step_hears_all_speakers(
    width: int, height: int, frames: int, speakers: int, number_format: str
) -> None:
    """The others take what one takes. The peak of several is bounded, all else is exact."""
    load = Workload(width, height, frames, passes=3, speakers=speakers)
    all_, one = (
        counted.step_count(replace(load, speakers=n), number_format) for n in (speakers, 1)
    )
    told = needs.step_count(load, number_format)
    assert told.held_bytes == all_.held_bytes + 2 * one.held_bytes, STALE
    assert told.flops == one.flops + (all_.flops - one.flops) // 3, STALE
    peak = all_.peak_bytes + 2 * one.held_bytes
    assert peak <= told.peak_bytes <= 1.2 * peak, STALE


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_each_pass_of_a_step_holds_its_conditions(passes: int) -> None:
    """As a session holds them: one set after the other is prepared and kept."""
    load = Workload(64, 96, 8, passes=passes)
    _, prepare = counted.pass_of(load, "16 bits")
    sets = count(lambda: [prepare() for _ in range(passes)])
    assert needs.step_count(load, "bf16").held_bytes == sets.held_bytes


@pytest.mark.parametrize("latents", [1, 2, 3, 4, 8])
def test_the_vae_is_counted_to_the_byte(latents: int) -> None:
    load = Workload(144, 208, 16)
    _, height, width = load.latents
    for name in ("decode_count", "encode_count"):
        found = getattr(counted, name)(latents, height, width)
        assert getattr(needs, name)(load, latents, None) == _plain(found), STALE


def test_tiles_take_what_one_tile_takes_and_as_often_as_there_are_tiles() -> None:
    load, tile = Workload(8 * 2 * LEAST, 8 * LEAST, 16), Workload(8 * LEAST, 8 * LEAST, 16)
    whole, one = needs.decode_count(load, 5, SMALLEST), needs.decode_count(tile, 5, None)
    assert whole.peak_bytes == one.peak_bytes
    assert whole.flops == 3 * one.flops


@pytest.mark.parametrize("number_format", FORMATS)
def test_text_and_weights_are_counted_to_the_byte(number_format: str) -> None:
    assert needs.text_count(number_format) == _plain(counted.text_count(number_format)), STALE
    for name in ("transformer_weights", "text_weights"):
        assert getattr(needs, name)(number_format) == getattr(counted, name)(number_format), STALE
    assert needs.vae_weights() == counted.vae_weights()
    assert needs.audio_weights() == counted.audio_weights()


@pytest.mark.parametrize("seconds", [1, 13, 61])
def test_sound_is_counted_to_the_byte(seconds: int) -> None:
    assert needs.sound_count(seconds) == _plain(counted.sound_count(seconds)), STALE


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_every_level_and_stage_is_as_if_it_was_counted(
    level: OffloadLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Workload(160, 128, 12, sound_s=2)
    told = stage_needs(load, Precision("bf16", "fp8_scaled"), level)
    for name in ("transformer_weights", "text_weights", "vae_weights", "audio_weights"):
        monkeypatch.setattr(needs, name, getattr(counted, name))
    monkeypatch.setattr(needs, "text_count", lambda form: _plain(counted.text_count(form)))
    monkeypatch.setattr(needs, "sound_count", lambda s: _plain(counted.sound_count(s)))
    monkeypatch.setattr(
        needs,
        "step_count",
        lambda work, form: _guided(counted.step_count(work, form)),
    )
    assert stage_needs(load, Precision("bf16", "fp8_scaled"), level) == told, STALE


# --- how it is made -----------------------------------------------------------------------------


def test_the_table_is_what_the_script_makes() -> None:
    """Of the formulas the cheapest; the others are compared by their numbers above."""
    made = SCRIPT.vae_formula(partial(counted.encode_count, 1))
    assert _as_lists(made) == needs._table()["encode"]["1"], STALE
    pieces = {"tokens": SCRIPT.PIECE, "injected": SCRIPT.INJECTED}
    assert needs._table()["piece"] == pieces, STALE


def _as_lists(formula: dict[str, list[tuple[int, ...]]]) -> dict[str, list[list[int]]]:
    return {name: [list(form) for form in forms] for name, forms in formula.items()}


def test_sums_are_solved_for_exactly_or_not_at_all() -> None:
    big = 10**17
    sizes = [(1, n, n * n) for n in (1, 2, 5, 9)]
    assert SCRIPT.solved([(s, 7 + big * s[2]) for s in sizes]) == (7, 0, big)
    assert SCRIPT.solved([(s, 7 + s[1] ** 3) for s in sizes]) is None
    assert SCRIPT.solved([((1, n, 2 * n), 4 * n) for n in (1, 2, 3)]) == (0, 4, 0)


def test_a_peak_that_no_sum_gives_makes_no_table() -> None:
    def sample(n: int, size: int) -> tuple[tuple[int, ...], Counted]:
        return (1, n), Counted(0, 0, places={"a": 10 + 3 * n, "b": size})

    points = [(1, 2)]
    straight = [sample(n, 2 * n) for n in range(1, 6)]
    assert SCRIPT.peaks(straight, points) == [(10, 3)]
    low = [sample(n, n % 2) for n in range(1, 6)]
    assert SCRIPT.peaks(low, points) == [(10, 3)]
    crooked = [sample(n, 10 + n**3) for n in range(1, 6)]
    assert SCRIPT.peaks(crooked, points) is None


# --- without torch ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--gpu", "RTX 4090"], ["--gpu", "12GB", "--offload", "none"]]
)
def test_a_plan_for_a_card_needs_no_torch(arguments: list[str]) -> None:
    absent = ("torch", "diffusers", "transformers", "safetensors", "tokenizers", "ftfy")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"
        "from soundreel.cli.app import main\n"
        "main()\n"
    )
    command = ["plan", str(ROOT / "examples/speech.wav"), "--engine", "wan", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "sampling: " in done.stdout
    assert "expected memory: " in done.stdout
