"""The same jobs on a real ComfyUI server, where one is given:

    SOUNDREEL_COMFYUI_URL=http://127.0.0.1:8188 pytest tests/comfyui_live

It needs the files of the built-in graph; tiny models with random weights in the real formats will
do, on a CPU. SOUNDREEL_COMFYUI_TOKEN is its bearer token, if it asks for one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from comfyui.engine_tools import digest, flat, pitches, write_melody
from media_factory import sine, write_audio
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.comfyui.client.jobs import read_queue
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_servers
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.engines.comfyui.latents import read_latents
from soundreel.errors import Cancelled, RemoteError
from soundreel.events import Event, RunControl, StepDone
from soundreel.types import Frame, Plan, Request

URL = os.environ.get("SOUNDREEL_COMFYUI_URL", "")
TOKEN = os.environ.get("SOUNDREEL_COMFYUI_TOKEN") or None

pytestmark = [
    pytest.mark.skipif(not URL, reason="SOUNDREEL_COMFYUI_URL is not set"),
    pytest.mark.slow,
]

WIDTH, HEIGHT, STEPS = 64, 96, 2
FIRST, CHUNK = 77, 80
FORMATS = ("wav", "mp3", "flac", "m4a", "ogg", "opus", "aiff")


@pytest.fixture
def engine() -> ComfyUIEngine:
    return ComfyUIEngine(Settings.model_validate({"url": URL, "token": TOKEN}))


@pytest.fixture
def client() -> Iterator[ComfyClient]:
    settings = Settings.model_validate({"url": URL, "token": TOKEN})
    with ComfyClient(parse_servers(settings.url, settings.token)[0], poll_seconds=0.2) as made:
        yield made


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    Image.new("RGB", (120, 180), (200, 120, 40)).save(path)
    return path


def plan_for(engine: ComfyUIEngine, audio: Path, frames: int, **changes: Any) -> Plan:
    values = {
        "audio": audio, "engine": "comfyui", "width": WIDTH, "height": HEIGHT, "seed": 5,
        "num_frames": frames, "options": {"steps": STEPS},
    }  # fmt: skip
    return plan_request(Request(**{**values, **changes}), probe(audio), engine, RunControl())


def render(engine: ComfyUIEngine, plan: Plan, control: RunControl | None = None) -> list[Frame]:
    control = control or RunControl()
    with engine.find(plan.request).open(plan, control) as session:
        return flat([list(session.render(chunk, control)) for chunk in plan.chunks])


def assert_complete(frames: list[Frame], count: int) -> None:
    assert [frame.index for frame in frames] == list(range(count))
    assert {frame.rgb.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("with_image", [False, True], ids=["no_image", "image"])
def test_frames_are_complete(
    engine: ComfyUIEngine, tmp_path: Path, portrait: Path, chunks: int, with_image: bool
) -> None:
    frames = FIRST + (chunks - 1) * CHUNK
    audio = write_melody(tmp_path / "melody.wav", pitches(frames))
    image = portrait if with_image else None
    plan = plan_for(engine, audio, frames, image=image)
    assert len(plan.chunks) == chunks
    assert_complete(render(engine, plan), frames)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_audio_format(engine: ComfyUIEngine, tmp_path: Path, suffix: str) -> None:
    sound = sine(2, rate=48000, channels=2)
    audio = write_audio(tmp_path / f"tone.{suffix}", sound, rate=48000)
    assert_complete(render(engine, plan_for(engine, audio, 5)), 5)


def test_an_interrupt_takes_and_the_job_resumes_with_the_same_pictures(
    engine: ComfyUIEngine, tmp_path: Path
) -> None:
    frames = FIRST + CHUNK
    audio = write_melody(tmp_path / "melody.wav", pitches(frames))
    plan = plan_for(engine, audio, frames)
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone) and event.chunk == 1:
            control.cancel()

    control.on_event = stop
    with engine.find(plan.request).open(plan, control) as session:
        made = list(session.render(plan.chunks[0], control))
        state = session.snapshot()
        with pytest.raises(Cancelled):
            list(session.render(plan.chunks[1], control))
    with engine.find(plan.request).open(plan, RunControl()) as session:
        session.restore(state)
        made += session.render(plan.chunks[1], RunControl())
    assert digest(made) == digest(render(engine, plan))


def test_cancelling_leaves_nothing_of_ours_in_the_queue(
    client: ComfyClient, engine: ComfyUIEngine, tmp_path: Path
) -> None:
    audio = write_melody(tmp_path / "melody.wav", pitches(FIRST))
    plan = plan_for(engine, audio, FIRST, options={"steps": 60})
    before = _queued(client)
    control = RunControl()
    control.on_event = lambda event: control.cancel() if isinstance(event, StepDone) else None
    with pytest.raises(Cancelled):
        render(engine, plan, control)
    assert _queued(client) <= before


def _queued(client: ComfyClient) -> set[str]:
    state = read_queue(client._transport)
    return {item.prompt_id for item in (*state.running, *state.pending)}


# -- what the client takes for granted, with nodes that need no models -----------------------------


def latents(length: int) -> dict[str, Any]:
    return {
        "1": {
            "class_type": "EmptyHunyuanLatentVideo",
            "inputs": {"width": 64, "height": 64, "length": length, "batch_size": 1},
        },
        "2": {
            "class_type": "SaveLatent",
            "inputs": {"samples": ["1", 0], "filename_prefix": "soundreel/live"},
        },
    }


def test_the_same_graph_again_writes_new_files(client: ComfyClient) -> None:
    control = RunControl()
    first = client.run(latents(9), control, wanted=["2"]).files("2")
    second = client.run(latents(9), control, wanted=["2"]).files("2")
    assert first != second
    one, two = (read_latents(client.fetch(file, control)) for file in (first[0], second[0]))
    assert one == two, "the tensors; newer servers write the graph beside them"


def test_uploads_in_the_temp_folder_can_be_loaded(client: ComfyClient) -> None:
    control = RunControl()
    made = client.run_and_fetch(latents(9), control, wanted=["2"])["2"][0]
    graph = latents(9)
    graph["1"] = {
        "class_type": "LoadLatent",
        "inputs": {"latent": client.upload(made, ".latent", control, temporary=True)},
    }
    again = client.run_and_fetch(graph, control, wanted=["2"])["2"][0]
    assert read_latents(again) == read_latents(made)


def test_a_refused_graph_is_told_by_node_and_input(client: ComfyClient) -> None:
    graph = latents(9)
    graph["1"]["inputs"]["width"] = 8
    with pytest.raises(RemoteError, match=r"node 1 \(EmptyHunyuanLatentVideo\).*width"):
        client.run(graph, RunControl(), wanted=["2"])
