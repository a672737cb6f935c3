"""Frame interpolation on the server: N pictures become exactly N * m, in step, over all borders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from comfyui.engine_tools import flat, make_plan, opened, pitches, render, write_melody
from comfyui.fake.server import FakeComfyUI
from comfyui.fake.values import blend
from soundreel.events import RunControl
from soundreel.types import Frame


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
