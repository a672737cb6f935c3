"""A whole job on 8-bit weights with a LoRA, at every offload level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundreel import api
from soundreel.config import Settings
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Request
from wan import tiny as wan_tiny
from wan.eight_bit import write_eight_bit_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eight_bit_folder(tmp_path_factory.mktemp("eight"))


def make(tone: Path, models: Path, settings: Settings, output: Path, level: str) -> list[Event]:
    events: list[Event] = []
    options = {"steps": 1, "guidance_scale": 1.0, "chunk_frames": 8, "offload": level}
    request = Request(
        audio=tone,
        engine="wan",
        width=64,
        height=64,
        num_frames=10,
        seed=1,
        output=output,
        options=options | {"lora": (f"{models / 'style.safetensors'}:0.5",)},
    )
    here = settings.model_copy(update={"models_dir": (models,)})
    api.generate(request, here, control=RunControl(events.append))
    return events


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


def test_every_level_gives_the_same_video(
    tone: Path, models: Path, settings: Settings, tmp_path: Path
) -> None:
    files = {level: tmp_path / f"{level}.mp4" for level in ("none", "model", "block")}
    for level, output in files.items():
        events = make(tone, models, settings, output, level)
        notices = [event.message for event in events if isinstance(event, Notice)]
        assert "LoRA style.safetensors: 1 layers changed" in notices
    pictures = {level: _pictures(path) for level, path in files.items()}
    assert pictures["none"] == pictures["model"] == pictures["block"]
    assert len(pictures["none"]) == 10


def _pictures(path: Path) -> list[bytes]:
    from soundreel.video.reader import read_frames

    return [rgb.tobytes() for rgb in read_frames(path)]
