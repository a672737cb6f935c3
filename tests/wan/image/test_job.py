"""Image to video by the wan engine, from the request to the file, on the tiny random model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from PIL import Image
from torch import Tensor, nn

from fakes import cancel_after, frames_of, sidecar_of
from soundreel import ImageRequest, generate, plan
from soundreel.config import Settings
from soundreel.engines.base import Steadying
from soundreel.engines.wan.encoders.pictures import to_rgb
from soundreel.engines.wan.image import session as session_module
from soundreel.engines.wan.image.conditioning import picture_latents
from soundreel.engines.wan.image.engine import WanImageEngine
from soundreel.engines.wan.image.job import given_pictures
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.image.session import ImageSession
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel
from soundreel.engines.wan.memory.offload import Residence
from soundreel.errors import Cancelled, EngineError, OutOfMemory, WorkError
from soundreel.events import Event, Notice, RunControl, SamplingProgress, StepDone, StepPreview
from wan import tiny as wan_tiny
from wan.image import plans, tiny

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


@pytest.fixture
def ready(settings: Settings) -> Settings:
    return settings.model_copy(update={"models_dir": (tiny.model_folder(),)})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return painted(tmp_path / "first.png", 1)


def painted(path: Path, seed: int) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (80, 72, 3), np.uint8)).save(path)
    return path


def request_for(image: Path, options: dict[str, Any] | None = None, **changes: Any) -> ImageRequest:
    values = {"image": image, "engine": "wan", "width": 64, "height": 64, "seed": 7}
    return ImageRequest(**{**values, "options": {**tiny.OPTIONS, **(options or {})}, **changes})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 9, 10, 18])
def test_exactly_so_many_pictures(
    image: Path, tmp_path: Path, ready: Settings, frames: int
) -> None:
    made = generate(request_for(image, num_frames=frames, output=tmp_path / "v.mp4"), ready)
    assert len(frames_of(made.path)) == frames


def test_stopped_anywhere_and_resumed_gives_the_same_bytes(
    image: Path, tmp_path: Path, ready: Settings
) -> None:
    whole = request_for(image, num_frames=20, output=tmp_path / "whole.mp4")
    generate(whole, ready)
    for frames, sealed in ((3, 0), (9, 1), (17, 2)):
        broken = replace(whole, output=tmp_path / f"broken{frames}.mp4")
        with pytest.raises(Cancelled):
            generate(broken, ready, control=cancel_after(frames))
        assert generate(broken, ready).resumed_chunks == sealed
        assert digest(tmp_path / f"broken{frames}.mp4") == digest(tmp_path / "whole.mp4")


def test_the_record_names_both_models_and_their_loras(
    image: Path, tmp_path: Path, ready: Settings
) -> None:
    said: list[Event] = []
    request = request_for(image, num_frames=5, output=tmp_path / "v.mp4")
    generate(request, ready, control=RunControl(said.append))
    record = sidecar_of(tmp_path / "v.mp4")["engine"]
    assert isinstance(record, dict)
    assert {"high noise", "low noise", "high noise lora 1", "low noise lora 1"} <= set(record)
    assert not {"transformer", "audio_encoder"} & set(record)
    told = [event.message for event in said if isinstance(event, Notice)]
    assert sum(text.endswith("1 layers changed") for text in told) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"prompt": "rain"},
        {"options": {**tiny.OPTIONS, "lora_high": ["none"]}},
        {"options": {**tiny.OPTIONS, "lora_low": ["none"]}},
        {"options": {**tiny.OPTIONS, "split_step": 1}},
        {"options": {**tiny.OPTIONS, "guidance_scale": 3.5}},
        {"last_only": True},
    ],
    ids=["seed", "prompt", "high lora", "low lora", "split", "guidance", "last only"],
)
def test_what_is_asked_for_is_seen(
    image: Path, tmp_path: Path, ready: Settings, changes: dict[str, Any]
) -> None:
    plain = request_for(image, num_frames=5, output=tmp_path / "plain.mp4")
    other = replace(plain, output=tmp_path / "other.mp4", **changes)
    pictures = [frames_of(generate(each, ready).path) for each in (plain, other)]
    assert not np.array_equal(pictures[0], pictures[1])


def test_the_negative_prompt_acts_only_with_guidance(
    image: Path, tmp_path: Path, ready: Settings
) -> None:
    def made(name: str, scale: float, negative: str) -> str:
        options = {"guidance_scale": scale}
        request = request_for(
            image, options, num_frames=5, negative_prompt=negative, output=tmp_path / f"{name}.mp4"
        )
        return hashlib.sha256(
            np.stack(frames_of(generate(request, ready).path)).tobytes()
        ).hexdigest()

    assert made("a", 1.0, "dark") == made("b", 1.0, "loud")
    assert made("c", 2.0, "dark") != made("d", 2.0, "loud")


# --- one pass goes on from the one before ---------------------------------------------------------


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor | None, Tensor | None]]:
    """The pictures that each pass is given."""
    given: list[tuple[Tensor | None, Tensor | None]] = []

    def watch(vae: Any, size: Any, first: Any, last: Any, check: Any) -> Tensor:
        given.append((first, last))
        return picture_latents(vae, size, first, last, check)

    monkeypatch.setattr(session_module, "picture_latents", watch)
    return given


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """All pictures as floats, as they come."""
    pictures: list[Tensor] = []

    def watch(group: Tensor) -> list[Any]:
        pictures.append(group)
        return to_rgb(group)

    monkeypatch.setattr(session_module, "to_rgb", watch)
    return pictures


def opened(slots: tuple[int, ...], **changes: Any) -> ImageSession:
    options = WanImageOptions(lora_high=("none",), lora_low=("none",), **changes.pop("options", {}))
    first, last = changes.pop("pictures", (plans.picture(1), None))
    parts = plans.parts(changes.pop("residence", None))
    session = ImageSession(plans.plan_of(slots), options, parts, first, last, **changes)
    session.prepare(RunControl())
    return session


def test_a_later_pass_begins_with_the_last_picture_which_is_not_shown_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, pictures = watched(monkeypatch), decoded(monkeypatch)
    session, made = opened((8, 8)), plans.plan_of((8, 8))
    shown = [[frame.index for frame in session.render(c, RunControl())] for c in made.chunks]
    assert shown == [list(range(9)), list(range(9, 17))]
    whole = torch.cat(pictures, dim=2)
    assert whole.shape[2] == 17
    assert given[0][0] is not None
    assert torch.equal(given[0][0], plans.picture(1))
    assert given[1][0] is not None
    assert torch.equal(given[1][0], whole[:, :, 8:9])


def test_the_next_pass_begins_with_the_steadied_picture(
    image: Path, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was shown, to rounding, not with what was decoded; also after a stop."""
    given = watched(monkeypatch)
    made, _ = plan(request_for(image, num_frames=25, steady="full"), ready)
    engine, control = WanImageEngine(ready), RunControl()
    with engine.find(made.request).open(made.for_engine, control) as session:
        assert isinstance(session, Steadying)
        shown = [[f.rgb for f in session.render(c, control)] for c in made.chunks[:2]]
        state = session.snapshot()
        shown.append([f.rgb for f in session.render(made.chunks[2], control)])
    assert given[2][0] is not None
    assert np.array_equal(to_rgb(given[2][0])[0], shown[1][-1])
    with engine.find(made.request).open(made.for_engine, control) as session:
        session.restore(state)
        assert np.array_equal([f.rgb for f in session.render(made.chunks[2], control)], shown[2])


def test_the_last_picture_is_for_the_last_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    given = watched(monkeypatch)
    session, made = opened((8, 8), pictures=(plans.picture(1), plans.picture(2))), (8, 8)
    for chunk in plans.plan_of(made).chunks:
        list(session.render(chunk, RunControl()))
    assert given[0][1] is None
    assert given[1][1] is not None


def test_a_pass_without_the_one_before_it_is_refused() -> None:
    session = opened((8, 8))
    with pytest.raises(EngineError, match="goes on from the last picture of the one before it"):
        list(session.render(plans.plan_of((8, 8)).chunks[1], RunControl()))
    with pytest.raises(WorkError, match="damaged"):
        session.restore(b"no state")


def test_a_restored_session_goes_on_as_if_never_stopped() -> None:
    first, second = plans.plan_of((8, 8)).chunks
    session = opened((8, 8))
    list(session.render(first, RunControl()))
    state = session.snapshot()
    wanted = [frame.rgb for frame in session.render(second, RunControl())]
    anew = opened((8, 8))
    anew.restore(state)
    assert np.array_equal([frame.rgb for frame in anew.render(second, RunControl())], wanted)
    assert session._before.picture is None  # nothing is kept behind the last one


# --- memory ---------------------------------------------------------------------------------------


class Watching(Residence):
    """Notes which of the two transformers lie on the device."""

    def __init__(self, level: OffloadLevel) -> None:
        super().__init__(CPU, level)
        self.together: list[int] = []
        self.visited: list[int] = []

    @contextmanager
    def visit(self, model: nn.Module) -> Iterator[None]:
        with super().visit(model):
            self.visited.append(id(model))
            self.together.append(self._experts())
            yield
        assert self._experts() == 0

    def _experts(self) -> int:
        return sum(hasattr(model, "time_projection") for model in self._home)


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_the_two_transformers_are_never_on_the_device_together(level: OffloadLevel) -> None:
    residence = Watching(level)
    session = opened((8, 8), residence=residence)
    for chunk in plans.plan_of((8, 8)).chunks:
        list(session.render(chunk, RunControl()))
    assert residence.together == [1, 1, 1, 1]
    assert len(set(residence.visited)) == 2
    assert residence.visited[:2] == residence.visited[2:]


def test_offloading_changes_no_picture() -> None:
    chunk, made = plans.plan_of((8,)).chunks[0], []
    for level in OFFLOAD_LEVELS:
        session = opened((8,), residence=Residence(CPU, level))
        made.append([frame.rgb for frame in session.render(chunk, RunControl())])
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def test_out_of_memory_goes_on_one_level_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the decoder runs out of it, behind pictures that were given already."""
    chunks = plans.plan_of((8, 8)).chunks
    session = opened((8, 8))
    wanted = [[frame.rgb for frame in session.render(c, RunControl())] for c in chunks]
    residence = Residence(CPU, "none")
    session = opened((8, 8), residence=residence, lower=residence.lower)
    failing = iter([False, True, False, True])
    real = session._vae.decode

    def decode(*given: Any) -> Iterator[Tensor]:
        fails = next(failing, False)
        for group in real(*given):
            yield group
            if fails:
                raise torch.OutOfMemoryError("a test")

    monkeypatch.setattr(session._vae, "decode", decode)
    said: list[Event] = []
    control = RunControl(said.append)
    made = [[frame.rgb for frame in session.render(chunk, control)] for chunk in chunks]
    assert all(np.array_equal(a, b) for a, b in zip(made, wanted, strict=True))
    assert residence.level == "model"
    assert [event.message for event in said if isinstance(event, Notice)] == [
        "`offload='none'` ran out of memory: going on with `offload='model'`"
    ]


def test_out_of_memory_at_the_lowest_level_says_what_to_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = opened((8,))

    def fail(*_: object) -> Iterator[Tensor]:
        raise torch.OutOfMemoryError("a test")

    monkeypatch.setattr(session._vae, "decode", fail)
    with pytest.raises(OutOfMemory):
        list(session.render(plans.plan_of((8,)).chunks[0], RunControl()))


# --- what is told ---------------------------------------------------------------------------------


def test_steps_and_progress_are_told_over_both_transformers() -> None:
    said: list[Event] = []
    session = opened((8,), options={"sampling_preset": "quality", "steps": 3, "split_step": 1})
    list(session.render(plans.plan_of((8,)).chunks[0], RunControl(said.append)))
    assert [event.step for event in said if isinstance(event, StepDone)] == [1, 2, 3]
    beats = [event for event in said if isinstance(event, SamplingProgress)]
    assert [event.done for event in beats] == sorted(event.done for event in beats)
    assert beats[-1].done == beats[-1].total == 3 * 2 * 2  # steps, passes, blocks


def test_previews_come_as_often_as_asked_for() -> None:
    said: list[Event] = []
    session = opened((8,), options={"preview_steps": 2})
    list(session.render(plans.plan_of((8,)).chunks[0], RunControl(said.append)))
    assert [event.step for event in said if isinstance(event, StepPreview)] == [2, 4]


def test_it_can_be_stopped_inside_a_step() -> None:
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, SamplingProgress):
            control.cancel()

    control.on_event = watch
    session = opened((8,))
    with pytest.raises(Cancelled):
        list(session.render(plans.plan_of((8,)).chunks[0], control))


# --- plans ----------------------------------------------------------------------------------------


def test_a_pass_is_what_the_weights_are_published_for(image: Path, settings: Settings) -> None:
    geometry = WanImageEngine(settings).geometry(request_for(image, {"chunk_frames": 80}))
    assert (geometry.fps, geometry.chunk_frames, geometry.head_frames) == (Fraction(16), 80, 1)


def test_pictures_are_scaled_to_cover_and_cut(image: Path, tmp_path: Path, ready: Settings) -> None:
    last = painted(tmp_path / "last.png", 2)
    made, _ = plan(request_for(image, last_frame=last, num_frames=9), ready)
    pictures = given_pictures(made.for_engine)
    assert [each is not None and each.shape for each in pictures] == [(1, 3, 1, 64, 64)] * 2
    only, _ = plan(request_for(image, last_only=True, num_frames=9), ready)
    assert [each is None for each in given_pictures(only.for_engine)] == [True, False]
