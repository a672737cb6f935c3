"""On a real ComfyUI server: a chunk in a prompt of its own equals one graph with all chunks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from comfyui.engine_tools import pitches, write_melody
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, chunk_prompt
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.hearing.window import SoundWindows
from soundreel.engines.comfyui.latents import next_motion, read_latents
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.servers import find_servers
from soundreel.engines.comfyui.workflow import make_template, sample_prompts
from soundreel.events import RunControl
from soundreel.types import Plan, Request

URL = os.environ.get("SOUNDREEL_COMFYUI_URL", "")
TOKEN = os.environ.get("SOUNDREEL_COMFYUI_TOKEN") or None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not URL, reason="SOUNDREEL_COMFYUI_URL is not set"),
]

OPTIONS: Mapping[str, object] = {"steps": 2}


def test_a_chunk_of_its_own_equals_one_graph_bit_for_bit(tmp_path: Path) -> None:
    """The latents of the second of three chunks, against one graph that samples both."""
    live = Settings.model_validate({"url": URL, "token": TOKEN})
    audio = write_melody(tmp_path / "melody.wav", pitches(240))
    request = Request(
        audio=audio, engine="comfyui", width=64, height=96, seed=42, num_frames=237, options=OPTIONS
    )
    plan = plan_request(request, probe(audio), ComfyUIEngine(live), RunControl())
    control = RunControl()
    with ComfyUIEngine(live).find(plan.request).open(plan, control) as session:
        for chunk in plan.chunks[:2]:
            assert len(list(session.render(chunk, control))) == chunk.num_frames
        ours = read_latents(session.snapshot())
    whole = read_latents(_two_chunks_in_one_graph(live, plan, control))
    assert whole.shape[2] == 40
    assert next_motion(None, whole, 19) == ours


def _two_chunks_in_one_graph(settings: Settings, plan: Plan, control: RunControl) -> bytes:
    """The .latent file of chunks one and two, sampled in one prompt."""
    template = make_template(ComfyUIOptions(**OPTIONS))  # type: ignore[arg-type]
    server = find_servers(settings, plan.request, template, sample_prompts, None).first
    wav, _ = SoundWindows(plan).wav(plan.chunks[0])
    with ComfyClient(parse_server(URL, settings.token)) as client:
        inputs = ChunkInputs(
            width=64, height=96, latents=20, pictures=77, seed=42, image=None,
            sound=client.upload(wav, ".wav", control, temporary=True),
            positive=plan.request.prompt, negative=plan.request.negative_prompt,
        )  # fmt: skip
        graph = Graph.from_json(chunk_prompt(server.template, inputs).prompt)
        saved = _append_chunk(graph, server.template.start, server.template.samplers[0])
        return client.run_and_fetch(graph.to_json(), control, wanted=[saved])[saved][0]


def _append_chunk(graph: Graph, start: str, sampler: str) -> str:
    shared = ("positive", "negative", "vae", "audio_encoder_output")
    extend = graph.add("WanSoundImageToVideoExtend", length=77, video_latent=Link(sampler))
    graph[extend.node].inputs |= {name: graph[start].inputs[name] for name in shared}
    links = {"positive": extend, "negative": extend.out(1), "latent_image": extend.out(2)}
    second = graph.add(graph[sampler].class_type)
    graph[second.node].inputs |= {**graph[sampler].inputs, **links, "noise_seed": 43}
    both = graph.add("LatentConcat", samples1=Link(sampler), samples2=second, dim="t")
    saved = graph.add("SaveLatent", samples=both, filename_prefix="soundreel/check").node
    graph.prune(saved)
    return saved
