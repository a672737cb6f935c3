"""The same jobs on a real ComfyUI server, named by SOUNDREEL_COMFYUI_URL.

A server with tiny random-weight models under the names of the real ones does, on a CPU: nothing
here looks at what is in the pictures, only at counts, files, and equality of floats.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfyui.engine_tools import digest, flat, melody, pitches
from media_factory import CODECS, write_audio
from soundreel.api import generate, plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.comfyui.address import parse_server
from soundreel.engines.comfyui.chunk_graph import ChunkInputs, chunk_prompt
from soundreel.engines.comfyui.client import ComfyClient
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.engines.comfyui.graph import Graph, Link
from soundreel.engines.comfyui.latents import next_motion, read_latents
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.preflight import find_server
from soundreel.engines.comfyui.window import SoundWindows
from soundreel.errors import Cancelled
from soundreel.events import Event, RunControl, StepDone
from soundreel.types import Plan, Request
from soundreel.video.reader import probe_video

URL = os.environ.get("SOUNDREEL_COMFYUI_URL", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not URL, reason="SOUNDREEL_COMFYUI_URL names no server"),
]

OPTIONS: Mapping[str, object] = {"steps": 2}


@pytest.fixture
def live(tmp_path: Path) -> Settings:
    return Settings(url=URL, work_dir=tmp_path / "work", output_dir=tmp_path / "out")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "song.wav", melody(pitches(16 * 16)), rate=16000)


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


def request(audio: Path, **changes: object) -> Request:
    made = Request(audio=audio, engine="comfyui", width=64, height=96, seed=42, options=OPTIONS)
    return replace(made, **changes)  # type: ignore[arg-type]


def plan_for(settings: Settings, wanted: Request) -> Plan:
    return plan_request(wanted, probe(wanted.audio), ComfyUIEngine(settings), RunControl())


@pytest.mark.parametrize("frames", [77, 237], ids=["one_chunk", "three_chunks"])
@pytest.mark.parametrize("with_image", [False, True], ids=["no_ref", "with_ref"])
def test_the_video_has_every_picture(
    live: Settings, song: Path, portrait: Path, frames: int, with_image: bool
) -> None:
    wanted = request(song, num_frames=frames, image=portrait if with_image else None)
    made = generate(wanted, live)
    video = probe_video(made.path)
    assert (video.width, video.height, video.num_frames) == (64, 96, frames)


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_every_audio_format_is_taken(live: Settings, tmp_path: Path, suffix: str) -> None:
    stereo = np.repeat(melody(pitches(64)), 2, axis=0)
    audio = write_audio(tmp_path / f"song{suffix}", stereo, rate=16000)
    made = generate(request(audio, num_frames=9), live)
    assert probe_video(made.path).num_frames == 9


def test_a_segment_is_taken(live: Settings, song: Path) -> None:
    made = generate(request(song, start=Fraction(2), duration=Fraction(3)), live)
    assert probe_video(made.path).num_frames == 48


def test_an_interrupt_takes_our_prompt_off(live: Settings, song: Path) -> None:
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            control.cancel()

    control.on_event = stop
    plan = plan_for(live, request(song, num_frames=77))
    with ComfyUIEngine(live).open(plan, control) as session, pytest.raises(Cancelled):
        list(session.render(plan.chunks[0], control))


def test_a_resumed_job_equals_one_run(live: Settings, song: Path) -> None:
    plan = plan_for(live, request(song, num_frames=157))
    control = RunControl()
    with ComfyUIEngine(live).open(plan, control) as session:
        list(session.render(plan.chunks[0], control))
        state = session.snapshot()
        whole = list(session.render(plan.chunks[1], control))
    with ComfyUIEngine(live).open(plan, control) as session:
        session.restore(state)
        resumed = list(session.render(plan.chunks[1], control))
    assert digest(resumed) == digest(whole)


def test_a_chunk_of_its_own_equals_one_graph_bit_for_bit(live: Settings, song: Path) -> None:
    """The latents of the second of three chunks, against one graph that samples both."""
    plan = plan_for(live, request(song, num_frames=237))
    control = RunControl()
    with ComfyUIEngine(live).open(plan, control) as session:
        flat([list(session.render(chunk, control)) for chunk in plan.chunks[:2]])
        ours = read_latents(session.snapshot())
    whole = read_latents(_two_chunks_in_one_graph(live, plan, control))
    assert whole.shape[2] == 40
    assert next_motion(None, whole, 19) == ours


def _two_chunks_in_one_graph(settings: Settings, plan: Plan, control: RunControl) -> bytes:
    """The .latent file of chunks one and two, sampled in one prompt."""
    server = find_server(settings, plan.request, ComfyUIOptions(**OPTIONS))  # type: ignore[arg-type]
    wav, _ = SoundWindows(plan).wav(plan.chunks[0])
    with ComfyClient(parse_server(URL)) as client:
        inputs = ChunkInputs(
            width=64, height=96, latents=20, pictures=77, seed=42, image=None,
            sound=client.upload(wav, ".wav", control, temporary=True),
            positive=plan.request.prompt, negative=plan.request.negative_prompt,
        )  # fmt: skip
        graph = Graph.from_json(chunk_prompt(server.template, inputs).prompt)
        saved = _append_chunk(graph, server.template.start, server.template.samplers[0])
        return client.run_and_fetch(graph.to_json(), control, wanted=[saved], emptied=[saved])[
            saved
        ][0]


def _append_chunk(graph: Graph, start: str, sampler: str) -> str:
    shared = ("positive", "negative", "vae", "audio_encoder_output")
    extend = graph.add(
        "WanSoundImageToVideoExtend",
        length=77,
        video_latent=Link(sampler),
        **{name: graph[start].inputs[name] for name in shared},
    )
    links = {"positive": extend, "negative": extend.out(1), "latent_image": extend.out(2)}
    second = graph.add(
        graph[sampler].class_type, **{**graph[sampler].inputs, **links, "noise_seed": 43}
    )
    both = graph.add("LatentConcat", samples1=Link(sampler), samples2=second, dim="t")
    saved = graph.add("SaveLatent", samples=both, filename_prefix="soundreel/check").node
    graph.prune(saved)
    return saved
