"""What can be made alone is made in any order, and the file is the same."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from fakes import cancel_after
from soundreel import api
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.engines.base import Ready
from soundreel.errors import Cancelled, WorkError
from soundreel.events import RunControl
from soundreel.render.maker import Maker, Place
from soundreel.render.sealing import Sealing
from soundreel.timeline.units import units_of
from soundreel.types import Encoding, Plan, Request, Result, ShotRequest
from soundreel.work.job import Job

FADED = "crossfade:0.5"
SHOTS = tuple(ShotRequest(start=Fraction(start), prompt=f"{start}") for start in (0, 2, 4))


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of half a second, so that every crossfade goes over several."""
    monkeypatch.setattr("soundreel.engines.preview.engine.CHUNK_S", Fraction(1, 2))


def shuffled(
    seed: int, plan: Plan, ready: Ready, job: Job, sealing: Sealing, control: RunControl
) -> None:
    """As a process of several makes units: with one session, in an order drawn at random."""
    tasks = list(sealing.tasks())
    random.Random(seed).shuffle(tasks)
    control = replace(control, on_event=sealing.tell)
    place = Place(job.folder, job.fixed, job.folder.parent, ending=".ab.part")
    with ready.open(plan.for_engine, control) as session:
        maker = Maker(plan, session, control, place, sealing.new)
        for made in (made for task in tasks for made in maker.make(task)):
            sealing.seal(made)


def digest(result: Result) -> str:
    return hashlib.sha256(result.path.read_bytes()).hexdigest()


@pytest.fixture
def in_any_order(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def order(seed: int) -> None:
        monkeypatch.setattr("soundreel.api.make_with", lambda *_: partial(shuffled, seed))

    return order


CASES: dict[str, dict[str, object]] = {
    "one shot": {},  # and words in it
    "one shot at another rate": {"fps": Fraction(25), "interpolate": "flow"},
    "three that fade at another rate": {
        "shots": SHOTS, "transition": FADED, "fps": Fraction(24), "interpolate": "flow",
    },
    "looks": {
        "shots": tuple(
            replace(shot, options={"look": look})
            for shot, look in zip(SHOTS, ("rings", "bars", "tunnel"), strict=True)
        ),
    },
    "looks as an overlay": {
        "shots": tuple(
            replace(shot, options={"look": look})
            for shot, look in zip(SHOTS, ("waveform", "minimal", "ring-bars"), strict=True)
        ),
        "transition": FADED, "encoding": Encoding(alpha=True, container="mov"),
    },
    "kept steady": {"shots": SHOTS, "steady": "full"},
    "an engine with a state": {"shots": SHOTS, "transition": FADED, "engine": "fake"},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_file_does_not_depend_on_the_order(
    case: str,
    tone: Path,
    tmp_path: Path,
    settings: Settings,
    in_any_order: Callable[[int], None],
) -> None:
    (tmp_path / "words.lrc").write_text("[00:00.80]<00:00.80>one <00:01.40>two\n[00:02.60]three\n")
    ending = "mov" if "overlay" in case else "mp4"
    request = preview(tone, tmp_path / f"a.{ending}", **CASES[case])
    if case == "one shot":
        request = replace(request, lyrics=tmp_path / "words.lrc")
    whole = generate(request, settings)
    in_any_order(1)
    again = generate(replace(request, output=tmp_path / f"b.{ending}"), settings)
    assert digest(again) == digest(whole)
    assert not list(settings.work_dir.glob("*/"))


def test_a_job_stopped_in_one_order_goes_on_in_another(
    tone: Path, tmp_path: Path, settings: Settings, in_any_order: Callable[[int], None]
) -> None:
    request = preview(tone, tmp_path / "a.mp4", shots=SHOTS[:2], transition=FADED)
    whole = generate(request, settings)
    broken = replace(request, output=tmp_path / "b.mp4")
    done = []
    for seed, pictures in ((1, 30), (2, 60)):
        in_any_order(seed)
        with pytest.raises(Cancelled):
            generate(broken, settings, control=cancel_after(pictures))
        [job] = settings.work_dir.glob("*/")
        done.append(Job(job.parent, job.name).sealed)
    assert 0 < done[0] < done[1]
    again = generate(broken, settings)
    assert again.resumed_chunks > 0
    assert digest(again) == digest(whole)


def test_pictures_that_wait_for_a_crossfade_are_missed_at_once(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = preview(tone, tmp_path / "a.mp4", shots=SHOTS, transition=FADED)
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(31))
    held = sorted(settings.work_dir.glob("*/chunk-*.held"))
    held[0].unlink()
    with pytest.raises(WorkError, match="not at hand"):
        generate(request, settings)


def test_units_are_shots_where_chunks_depend_on_each_other(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """Kept steady, a picture depends on the first part of its shot."""
    request = preview(tone, tmp_path / "a.mp4", shots=SHOTS, duration=Fraction(5))
    plan, _ = api.plan(request, settings)
    assert [len(unit) for unit in units_of(plan)] == [1] * len(plan.chunks)
    steady = replace(plan, request=replace(plan.request, steady="full"))
    assert [len(unit) for unit in units_of(steady)] == [4, 4, 2]


def preview(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "preview", "width": 64, "height": 64}
    return Request(**{**values, "seed": 3, "output": output, **changes})  # type: ignore[arg-type]
