"""What is likely is told beside the least, and this machine's own finished jobs beat all else."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundreel.api import generate
from soundreel.cli.terminal.report import plan_report
from soundreel.config import Settings
from soundreel.engines.wan import job as job_module
from soundreel.engines.wan.encoders.tiles import WHOLE
from soundreel.engines.wan.memory.cards import CARDS, GIB, card_named
from soundreel.engines.wan.memory.estimate import Passes, Target, predict, target_named
from soundreel.engines.wan.memory.fit import Fit
from soundreel.engines.wan.memory.main_memory import (
    LEAST,
    check_main_memory,
    main_memory,
    memory_check,
)
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, Precision, StageNeeds
from soundreel.engines.wan.memory.rates import KEPT, Rate, keep_rate, rates_of, read_rates
from soundreel.errors import EngineUnavailable
from soundreel.events import Event, Notice, RunControl
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request
from wan import tiny as wan_tiny

FP8, BF16 = Precision(), Precision("bf16", "bf16")
FP16 = Precision("fp16", "fp16")


@pytest.fixture(scope="module")
def plan() -> Plan:
    audio = AudioClip(Path("a.wav"), Fraction(0), Fraction(1), Fraction(1), 16000, 1)
    request = Request(audio=Path("a.wav"), width=256, height=256)
    return make_plan(request, ChunkGeometry(Fraction(16), 16, 4, 3, 3, 16), audio, 16)


def test_a_known_card_gets_the_published_shares_of_its_rate(plan: Plan) -> None:
    estimate = predict(plan, target_named("RTX 4090"), level="none")
    assert estimate.seconds is not None
    assert estimate.likely_seconds is not None
    low, high = estimate.likely_seconds
    shares = card_named("RTX 4090").shares
    assert low == pytest.approx(estimate.seconds / shares.high, rel=1e-2)
    assert high == pytest.approx(estimate.seconds / shares.low, rel=1e-2)
    assert "published" in dict(estimate.details)["likely time"]
    assert "at least" in plan_report(plan, estimate)
    assert ", likely " in plan_report(plan, estimate)


def test_every_card_has_shares_with_their_source() -> None:
    for card in CARDS:
        assert 0 < card.shares.low < card.shares.high < 1
        assert card.shares.source


def test_finished_jobs_of_this_machine_replace_what_is_published(plan: Plan) -> None:
    card = card_named("RTX 4090")
    rates = [
        Rate("driver's name", {"offload": "none"}, share * card.bf16) for share in (0.5, 0.25, 0.4)
    ]
    target = Target("here", 80 * GIB, card, rates, "driver's name")
    estimate = predict(plan, target, level="none")
    assert estimate.seconds is not None
    assert estimate.likely_seconds == pytest.approx(
        (estimate.seconds / 0.5, estimate.seconds / 0.25),
        rel=2e-2,  # what the bus decides stays as it is
    )
    assert "measured here on 3 jobs" in dict(estimate.details)["likely time"]


def test_a_card_whose_rates_are_not_published_has_a_time_after_its_first_job(plan: Plan) -> None:
    target = Target("here", 80 * GIB, None, [Rate("X 1", {"offload": "none"}, 50.0)], "X 1")
    estimate = predict(plan, target, level="none")
    assert estimate.seconds is None
    assert estimate.likely_seconds is not None
    assert estimate.likely_seconds[0] == estimate.likely_seconds[1] > 0
    assert "time: likely" in plan_report(plan, estimate)


# --- the file -----------------------------------------------------------------------------------


def test_the_file_keeps_the_newest_rates_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "work" / "rates.json"
    for number in range(KEPT + 5):
        keep_rate(path, Rate("card", {"offload": "none"}, 1.0 + number))
    kept = read_rates(path)
    assert [rate.tflops for rate in kept] == [6.0 + number for number in range(KEPT)]
    assert set(json.loads(path.read_text())[0]) == {"device", "ways", "tflops", "computed"}
    assert [each.name for each in path.parent.iterdir()] == ["rates.json"]


_WAYS = '"device": "a", "ways": {"offload": "none"}'


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 50_000, "[1, null]", f'[{{{_WAYS}, "tflops": -1.0, "computed": 1.0}}]',
     f'[{{{_WAYS}, "tflops": NaN, "computed": 1.0}}]', f'[{{{_WAYS}, "tflops": 1.0}}]',
     f'[{{{_WAYS}, "tflops": 1.0, "computed": 1.5}}]',
     '[{"device": "a", "ways": {"offload": 1}, "tflops": 1.0, "computed": 1.0}]'],
)  # fmt: skip
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(text, encoding="utf-8")
    assert read_rates(path) == ()
    keep_rate(path, Rate("card", {"offload": "none"}, 1.0))
    assert len(read_rates(path)) == 1


def test_rates_of_the_same_way_come_first() -> None:
    """Where there is no better, of another level or compiling; never of another kernel or cache."""
    none, block = {"offload": "none"}, {"offload": "block"}
    sage = {"offload": "none", "attention": "sage"}
    rates = [
        Rate("a", none, 3.0),
        Rate("a", block, 1.0),
        Rate("a", sage, 5.0),
        Rate("b", none, 9.0),
    ]

    def found(device: str, **ways: str) -> list[float]:
        return [rate.tflops for rate in rates_of(rates, device, ways)]

    assert found("a", offload="none") == [3.0]
    assert found("a", offload="model") == [3.0, 1.0]
    assert found("a", offload="block", attention="sage") == [5.0]
    assert found("a", offload="none", attention="sage", compile="on") == [5.0]
    assert found("a", offload="none", cache="fast") == []
    assert found("c", offload="none") == []


def test_caches_have_likely_times_and_no_promise(plan: Plan) -> None:
    """What is published is the best that may come; the least is what no cache ever answers."""

    def times(passes: Passes) -> tuple[float, float, float]:
        estimate = predict(plan, target_named("RTX 4090"), level="none", passes=passes)
        assert estimate.seconds is not None
        assert estimate.likely_seconds is not None
        return estimate.seconds, *estimate.likely_seconds

    least, quick, slow = times(Passes(80, 2, 18, 2.0, "somebody"))
    assert times(Passes(80, 2, 80))[2] == slow
    assert times(Passes(18, 2, 18))[0] == least
    assert times(Passes(40, 2, 40))[1] == quick
    assert times(Passes(80, 2, 50, 2.0, "somebody"))[1] == times(Passes(50, 2, 50))[1]
    details = dict(predict(plan, target_named("24GB"), passes=Passes(80, 2, 18)).details)
    assert "computes 18 to 80 of them" in details["step cache"]


def test_a_finished_job_with_a_cache_tells_how_much_it_computed(plan: Plan) -> None:
    card, ways = card_named("RTX 4090"), {"cache": "fast"}
    rates = [Rate("driver's name", {**ways, "offload": "none"}, 0.5 * card.bf16, 0.25)]
    target = Target("here", 80 * GIB, card, rates, "driver's name")
    passes = Passes(80, 2, 18, 2.0, "somebody")
    estimate = predict(plan, target, level="none", passes=passes, ways=ways)
    twenty = predict(plan, target_named("RTX 4090"), level="none", passes=Passes(20, 2, 20))
    assert twenty.seconds is not None
    assert estimate.likely_seconds == pytest.approx(
        (2 * twenty.seconds,) * 2,
        rel=5e-2,  # what the bus decides stays as it is
    )


def test_a_finished_job_keeps_its_rate(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = StageNeeds("sampling", 0, 0, 10**12, True)
    monkeypatch.setattr(job_module, "_way", lambda *_: Fit("model", WHOLE, (stage,)))
    clock = iter(range(1000))
    monkeypatch.setattr("soundreel.engines.wan.session.time.monotonic", lambda: float(next(clock)))
    request = Request(
        audio=tone, engine="wan", width=64, height=64, num_frames=5, seed=7,
        options=wan_tiny.OPTIONS, output=tmp_path / "a.mp4",
    )  # fmt: skip
    with wan_tiny.one_thread():
        generate(request, settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)}))
    (rate,) = read_rates(settings.work_dir / "wan-rates.json")
    assert (rate.device, rate.ways, rate.computed) == ("cpu", {"offload": "model"}, 1.0)
    assert 0 < rate.tflops <= 4  # four passes of 10^12 operations in at least a tick of the clock


# --- main memory --------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [FP8, BF16])
@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_mapped_weights_leave_a_small_machine_room(precision: Precision, level: str) -> None:
    """A card of 16 GB in a machine of 32, and in one of 16."""
    needed = main_memory(precision, next(each for each in OFFLOAD_LEVELS if each == level))
    assert needed.least < 10 * GIB
    assert needed.locked <= 2 * GIB
    assert needed.mapped > 14 * GIB


def test_doctor_asks_for_what_the_most_frugal_job_takes() -> None:
    assert main_memory(FP8, "block").least <= LEAST <= 8 * GIB
    assert not memory_check(LEAST - 1).ok
    assert memory_check(LEAST).ok


def test_weights_that_are_converted_are_memory_of_our_own() -> None:
    needed = main_memory(FP16, "block")
    assert needed.own > 30 * GIB
    assert needed.mapped == 0


def test_a_machine_that_is_too_small_is_refused_or_warned() -> None:
    told: list[Event] = []
    control = RunControl(told.append)
    check_main_memory(main_memory(FP8, "block"), 64 * GIB, control)
    assert told == []
    check_main_memory(main_memory(FP8, "block"), 16 * GIB, control)
    (notice,) = told
    assert isinstance(notice, Notice)
    assert "read again" in notice.message
    with pytest.raises(EngineUnavailable, match=r"32\.0 GiB of this machine"):
        check_main_memory(main_memory(FP16, "block"), 32 * GIB, control)
