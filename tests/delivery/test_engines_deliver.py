"""Sizes and rates that no model makes, from real engines: the server of our own, the tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from comfyui.fake.server import FakeComfyUI
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Request
from soundreel.video.reader import probe_video


@pytest.fixture
def comfyui(settings: Settings) -> Iterator[Settings]:
    with FakeComfyUI() as server:
        yield settings.model_copy(update={"url": server.url})


@pytest.fixture
def wan(settings: Settings) -> Iterator[Settings]:
    pytest.importorskip("torch")
    from wan import tiny

    with tiny.one_thread():
        yield settings.model_copy(update={"models_dir": (tiny.model_folder(),)})


def options_of(engine: str) -> dict[str, object]:
    if engine == "comfyui":
        return {}
    from wan import tiny

    return dict(tiny.OPTIONS)


@pytest.mark.parametrize("engine", ["comfyui", pytest.param("wan", marks=pytest.mark.soak)])
def test_a_model_delivers_any_size_at_any_rate(
    engine: str, tone: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings: Settings = request.getfixturevalue(engine)
    said: list[Event] = []
    asked = Request(
        audio=tone, engine=engine, size="90x150", fps="25", duration="0.5", seed=3,
        output=tmp_path / "a.mp4", options=options_of(engine),
    )  # fmt: skip
    expected, _ = plan(asked, settings)
    assert expected.drawn_size == (96, 160)
    made = generate(asked, settings, control=RunControl(said.append))
    assert made.plan.drawn_size == expected.drawn_size
    video = probe_video(made.path)
    assert (video.width, video.height, video.num_frames) == (90, 150, 13)
    assert video.fps == Fraction(25)
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert any("draws 96x160: the pictures are scaled to 90x150" in text for text in notices)
    assert any("16 pictures a second: those for 25" in text for text in notices)
