"""A job asks its server once what it can do, and the server that it found makes the pictures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import fakes
from comfyui.engine_tools import SIZE, pitches, write_melody
from comfyui.fake.server import FakeComfyUI
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.events import Event, RunControl, StageStarted
from soundreel.types import Request

pytestmark = pytest.mark.usefixtures("quick_polls")


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    sound = write_melody(tmp_path / "melody.wav", pitches(16))
    return Request(
        audio=sound, engine="comfyui", num_frames=5, width=SIZE, height=SIZE, seed=5,
        interpolate="film", fps=Fraction(32), output=tmp_path / "a.mp4",
    )  # fmt: skip


def asked(server: FakeComfyUI) -> int:
    return server.requests.count(("GET", "/object_info"))


@pytest.mark.parametrize("engine", ["comfyui", "auto"])
def test_a_job_asks_what_the_server_can_do_once(
    request_of: Request, settings: Settings, engine: str
) -> None:
    with FakeComfyUI() as server:
        server.stats = {"devices": [{"name": "card", "type": "cuda", "vram_total": 2**34}]}
        at = settings.model_copy(update={"url": server.url})
        made = generate(replace(request_of, engine=engine), at)
        assert asked(server) == 1
    assert made.plan.request.engine == "comfyui"


def test_a_plan_asks_no_server_that_is_named(request_of: Request, settings: Settings) -> None:
    with FakeComfyUI() as server:
        made, estimate = plan(request_of, settings.model_copy(update={"url": server.url}))
        assert server.requests == []
    assert made.output_frames == 10
    assert estimate.seconds


def test_the_record_names_the_server_that_draws(request_of: Request, settings: Settings) -> None:
    """The first server gets what it lacked just when the job opens the second."""
    with FakeComfyUI(missing=("LoadLatent",)) as late, FakeComfyUI(film="pack") as found:
        whole = FakeComfyUI().nodes

        def mend(event: Event) -> None:
            if event == StageStarted("render"):
                late.nodes = whole

        at = settings.model_copy(update={"url": f"{late.url},{found.url}"})
        made = generate(request_of, at, control=RunControl(mend))
        assert (len(late.prompts), len(found.prompts)) == (0, 1)
    engine = fakes.sidecar_of(made.path)["engine"]
    assert isinstance(engine, dict)
    assert engine["film"].startswith("FILM VFI"), "the node of the second server's pack"
