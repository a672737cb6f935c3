"""Frame interpolation on the server: N pictures become exactly N * m, in step, over all borders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from comfyui.conftest import Log
from comfyui.engine_tools import SIZE, flat, make_plan, opened, pitches, render, write_melody
from comfyui.fake.server import FakeComfyUI
from comfyui.fake.values import blend
from fakes import frames_of, sidecar_of
from mixing import spy_on_encoder
from post.film_weights import film_weights, save_film
from soundreel import generate
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable
from soundreel.events import RunControl
from soundreel.types import Frame, Request, ShotRequest


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return write_melody(tmp_path / "melody.wav", pitches(200))


def stacked(frames: list[Frame]) -> np.ndarray:
    return np.stack([frame.rgb for frame in frames])


def expected(plain: np.ndarray, count: int, factor: int) -> np.ndarray:
    """The in-betweens of the whole clip; after the last picture on the way to the next generated
    one, where there is one, else the last again."""
    if len(plain) > count:
        return blend(plain[: count + 1], factor)[: count * factor]
    return np.concatenate([blend(plain, factor), np.repeat(plain[-1:], factor - 1, axis=0)])


@pytest.mark.parametrize(
    ("film", "count", "factor"),
    [
        ("core", 1, 2),
        ("core", 2, 2),
        ("pack", 9, 2),
        ("core", 10, 3),
        ("core", 77, 2),
        ("pack", 100, 2),
        ("core", 157, 3),
    ],
)
def test_pictures_are_those_of_one_long_interpolation(
    audio: Path, film: str, count: int, factor: int
) -> None:
    with FakeComfyUI(film=film) as server:
        plan = make_plan(
            server, audio, num_frames=count, interpolate="film", fps=Fraction(16 * factor)
        )
        assert plan.interpolation.by_engine
        made = stacked(flat(render(server, plan)))
        spare = plan.chunks[-1].lookahead_frames
        plain = stacked(flat(render(server, make_plan(server, audio, num_frames=count + spare))))
    assert len(made) == count * factor
    assert np.array_equal(made, expected(plain, count, factor))


def test_pictures_are_numbered_at_the_generated_rate(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=100, interpolate="film")
        made = flat(render(server, plan))
    assert [frame.index for frame in made] == [number // 2 for number in range(200)]


def test_the_border_is_interpolated_after_a_resume_too(audio: Path) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=100, interpolate="film")
        control = RunControl()
        with opened(server, plan) as session:
            list(session.render(plan.chunks[0], control))
            state = session.snapshot()
            whole = stacked(list(session.render(plan.chunks[1], control)))
        with opened(server, plan) as session:
            session.restore(state)
            resumed = stacked(list(session.render(plan.chunks[1], control)))
    assert np.array_equal(whole, resumed)


def test_shots_that_cross_fade_are_mixed_after_it(
    audio: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At twice the rate a crossfade of 8 pictures has 16, and each is made of two of its moment."""
    shots = tuple(ShotRequest(start=Fraction(start), seed=start) for start in (0, 2, 7))
    written = spy_on_encoder(monkeypatch)
    with FakeComfyUI() as server:
        request = Request(
            audio=audio, engine="comfyui", size=f"{SIZE}x{SIZE}", seed=3, num_frames=150,
            interpolate="film", shots=shots, transition="crossfade:0.5", output=tmp_path / "a.mp4",
        )  # fmt: skip
        plan = generate(request, at(settings, server)).plan
        assert plan.interpolation.by_engine
        drawn = render(server, plan)
    own = [
        [
            frame.rgb
            for chunk in plan.chunks
            if chunk.shot == shot.index
            for frame in drawn[chunk.index]
        ]
        for shot in plan.shots
    ]
    wanted = np.zeros((300, SIZE, SIZE, 3))
    for shot, pictures in zip(plan.shots, own, strict=True):
        begin, fade = 2 * shot.start_frame, 2 * shot.fade_in
        assert len(pictures) == 2 * shot.num_frames
        for number, picture in enumerate(pictures):
            share = 1.0 if number >= fade else number / fade
            wanted[begin + number] += (picture - wanted[begin + number]) * share
    assert np.abs(np.stack(written) - wanted).max() <= 0.5


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("models")
    save_film(film_weights(), folder / "frame_interpolation" / "film_net_fp16.safetensors")
    return folder


@pytest.fixture
def request_of(audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    return Request(
        audio=audio, engine="comfyui", size=f"{SIZE}x{SIZE}", seed=3, num_frames=3,
        interpolate="film", output=tmp_path / "a.mp4",
    )  # fmt: skip


def at(settings: Settings, *servers: FakeComfyUI, models: Path | None = None) -> Settings:
    folders = () if models is None else (models,)
    url = ",".join(server.url for server in servers)
    return settings.model_copy(update={"url": url, "models_dir": folders})


@pytest.mark.usefixtures("quick_polls")
@pytest.mark.parametrize(("count", "fps"), [(1, None), (5, 32), (80, 48)])
def test_film_here_gives_the_counts_of_the_servers(
    request_of: Request, settings: Settings, models: Path, log: Log, count: int, fps: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from soundreel.post.networks.between import NetworkBetween

    monkeypatch.setattr(NetworkBetween, "_at", lambda _, first, *rest: first)
    asked = replace(request_of, num_frames=count, fps=fps)
    with FakeComfyUI() as server, FakeComfyUI(film="") as poor:
        theirs = generate(asked, at(settings, server, models=models)).path
        there = frames_of(theirs)
        theirs.unlink()
        made = generate(asked, at(settings, poor, models=models), control=log.control)
        assert not any("Interpolate" in str(prompt) for prompt in poor.prompts)
    assert len(frames_of(made.path)) == len(there) == count * (fps or 32) // 16
    assert "has neither FrameInterpolate nor FILM VFI: FILM runs here in its place" in log.notices
    record = sidecar_of(made.path)
    versions, engine = record["versions"], record["engine"]
    assert isinstance(versions, dict)
    assert isinstance(engine, dict)
    assert versions["film"].startswith("film_net_fp16.safetensors ")
    assert "film" not in engine


@pytest.mark.usefixtures("quick_polls")
def test_a_rate_that_the_nodes_cannot_do_is_made_here(
    request_of: Request, settings: Settings, models: Path, log: Log
) -> None:
    with FakeComfyUI() as server:
        made = generate(
            replace(request_of, fps=Fraction(24)), at(settings, server, models=models),
            control=log.control,
        )  # fmt: skip
    assert len(frames_of(made.path)) == 5
    assert "in its place" not in log.notices


def test_without_film_anywhere_the_error_names_the_choices(
    request_of: Request, settings: Settings
) -> None:
    with FakeComfyUI(film="") as poor, pytest.raises(EngineUnavailable) as raised:
        generate(request_of, at(settings, poor))
    assert "has neither FrameInterpolate nor FILM VFI; and here" in raised.value.message
    assert "none are on this machine" in raised.value.message
    assert "models pull film" in raised.value.hint
    assert "`interpolate='flow'`" in raised.value.hint
    named = replace(request_of, options={"film_model": "film_net_fp16.safetensors"})
    with FakeComfyUI(film="") as poor, pytest.raises(EngineUnavailable, match="FILM VFI"):
        generate(named, at(settings, poor))


@pytest.mark.usefixtures("quick_polls")
def test_a_server_with_film_goes_before_one_without(
    request_of: Request, settings: Settings, models: Path
) -> None:
    with FakeComfyUI(film="") as poor, FakeComfyUI(film="pack") as server:
        made = generate(request_of, at(settings, poor, server, models=models))
        assert (len(poor.prompts), len(server.prompts)) == (0, 1)
    assert made.plan.interpolation.by_engine
