"""Every picture is driven by the sound that is heard with it, in one chunk and in fifty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfyui.conftest import decode_png
from comfyui.engine_tools import flat, make_plan, pitches, render, write_melody
from comfyui.fake.pictures import Code, read_code
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.engines.comfyui.graphs.graph import Link
from soundreel.engines.comfyui.hearing.window import SoundWindows
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.workflow import make_template
from soundreel.events import RunControl
from soundreel.types import DEFAULT_NEGATIVE_PROMPT, DEFAULT_PROMPT, Chunk, Frame, Plan, ShotRequest


def codes(frames: Sequence[Frame]) -> list[Code]:
    return [read_code(frame.rgb) for frame in frames]


def assert_in_time(plan: Plan, chunks: Sequence[Sequence[Frame]], numbers: np.ndarray) -> None:
    """Picture i shows tone i (to one step of 32 Hz, since the fake counts zero crossings).

    A chunk's first latent holds four pictures and hears one bucket, that of the last of them: so
    the real nodes cut the sound, and nothing but another node could change it.
    """
    frames = flat(chunks)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    driven_by = np.arange(len(frames))
    for chunk in (chunk for chunk in plan.chunks if chunk.first_slot > 0):
        driven_by[chunk.start_frame : chunk.start_frame + 3] = chunk.start_frame + 3
    shown = np.array([code.pitch for code in codes(frames)])
    assert np.abs(shown - numbers[driven_by]).max() <= 1


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    Image.new("RGB", (120, 90), (200, 120, 40)).save(path)
    return path


@pytest.mark.parametrize(
    ("frames", "with_image"),
    [(1, False), (4, True), (77, False), (77, True), (78, False), (157, True), (397, False)],
)
def test_picture_and_sound_are_in_step(
    tmp_path: Path, portrait: Path, frames: int, with_image: bool
) -> None:
    numbers = pitches(frames + 16)
    audio = write_melody(tmp_path / "melody.wav", numbers)
    image = portrait if with_image else None
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=frames, image=image)
        made = render(server, plan)
    assert len(flat(made)) == frames
    assert [code.bucket for code in codes(flat(made))] == list(range(frames))
    assert_in_time(plan, made, numbers)


def test_a_segment_starts_where_it_was_asked_for(tmp_path: Path) -> None:
    """To the sample: the melody begins 20,123 samples into the file."""
    numbers = pitches(200)
    audio = write_melody(tmp_path / "melody.wav", numbers, lead_samples=20123)
    start = Fraction(20123, 16000)
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, start=start, duration=Fraction(10))
        assert_in_time(plan, render(server, plan), numbers)


@pytest.mark.parametrize("start", [0, 4])
def test_shots_and_prompts_in_time_stay_in_step(tmp_path: Path, start: int) -> None:
    """Among them chunks that have fewer than 19 latents of their shot before them."""
    numbers = pitches(500)
    audio = write_melody(tmp_path / "melody.wav", numbers)
    shots = tuple(ShotRequest(start=start + Fraction(cut)) for cut in ("0", "7.4", "9.6"))
    prompt = f"[{start + 3}-{start + 5}] a [{start + 11}.7-] b"
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, start=start, num_frames=400, prompt=prompt, shots=shots)
        made = render(server, plan)
    early = [chunk for chunk in plan.chunks if 0 < chunk.first_slot < 76]
    assert [chunk.prompt for chunk in early] == ["a", "b"]
    assert_in_time(plan, made, numbers[16 * start :])


def test_fifty_chunks_stay_in_step(tmp_path: Path) -> None:
    """Longer than a window, so that each chunk's sound is sent in a window of its own; and chunks
    shorter than their motion, which is then put together from several."""
    lengths = [80] + [20] * 49
    frames = sum(lengths) - 3
    numbers = pitches(frames + 3)
    audio = write_melody(tmp_path / "melody.wav", numbers)
    with FakeComfyUI() as server:
        plan = cut_into(make_plan(server, audio, num_frames=frames), lengths)
        made = render(server, plan)
        largest = max(map(len, server.files.values()))
    assert_in_time(plan, made, numbers)
    assert largest < 62 * 16000 * 4


def cut_into(plan: Plan, lengths: Sequence[int]) -> Plan:
    """The plan with chunks of other lengths than the planner's."""
    chunks, slot = [], 0
    for index, length in enumerate(lengths):
        dropped = 0 if index else 3
        start = max(0, slot - 3)
        chunk = Chunk(index, 0, slot, length, dropped, start, length - dropped)
        chunks.append(replace(chunk, prompt=plan.request.prompt, seed=plan.request.seed + index))
        slot += length
    return replace(plan, chunks=tuple(chunks))


def test_no_kept_picture_is_the_overbaked_first_of_a_decode(tmp_path: Path) -> None:
    audio = write_melody(tmp_path / "melody.wav", pitches(200))
    with FakeComfyUI() as server:
        made = flat(render(server, make_plan(server, audio, num_frames=160)))
    assert not any(code.baked for code in codes(made))


def test_one_prompt_a_chunk_equals_one_graph(tmp_path: Path) -> None:
    """The same latents as the classic graph with all chunks in one prompt: nothing of the state
    between chunks is lost on its way through us."""
    audio = write_melody(tmp_path / "melody.wav", pitches(240))
    with FakeComfyUI() as server:
        plan = make_plan(server, audio, num_frames=237)
        assert [chunk.generated_frames for chunk in plan.chunks] == [80, 80, 80]
        made = codes(flat(render(server, plan)))
        wav, _ = SoundWindows(plan).wav(plan.chunks[0])
        whole = codes(_one_graph(server, wav, plan.request.seed))
    assert [code.digest for code in made] == [code.digest for code in whole]
    assert [code.bucket for code in made] == [code.bucket for code in whole]


def _one_graph(server: FakeComfyUI, wav: bytes, seed: int) -> list[Frame]:
    """Three chunks in one prompt, as ComfyUI's own workflow has them."""
    graph = make_template(ComfyUIOptions()).graph
    control = RunControl()
    with ComfyClient(parse_server(server.url), poll_seconds=0.1) as client:
        graph["119"].inputs["audio"] = client.upload(wav, ".wav", control, temporary=True)
        del graph["98"].inputs["ref_image"]
        graph["93"].inputs["text"] = DEFAULT_PROMPT
        graph["89"].inputs["text"] = DEFAULT_NEGATIVE_PROMPT
        graph["98"].inputs |= {"width": 64, "height": 64, "length": 77}
        graph["86"].inputs["noise_seed"] = seed
        known = Link("86")
        for number in (1, 2):
            extend = graph.add("WanSoundImageToVideoExtend", length=77, video_latent=known)
            graph[extend.node].inputs |= {
                name: graph["98"].inputs[name]
                for name in ("positive", "negative", "vae", "audio_encoder_output")
            }
            sampler = dict(graph["86"].inputs)
            sampler |= {
                "positive": extend,
                "negative": extend.out(1),
                "latent_image": extend.out(2),
                "noise_seed": seed + number,
            }
            sampled = graph.add("KSamplerAdvanced")
            graph[sampled.node].inputs = sampler
            known = graph.add("LatentConcat", samples1=known, samples2=sampled, dim="t")
        graph["87"].inputs["samples"] = known
        show = graph.add("PreviewImage", images=Link("87"))
        graph.prune(show.node)
        files = client.run_and_fetch(graph.to_json(), control, wanted=[show.node])[show.node]
    return [Frame(i, decode_png(file)) for i, file in enumerate(files)]
