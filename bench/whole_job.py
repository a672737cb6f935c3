"""A whole job against the official sequence of passes, both made with the engine's own modules.

    python -m bench.whole_job [--rounds 2]      # some minutes a round

7.1 s of sound at 96x64, with a VAE of the real width and a tiny transformer, in float32 on a CPU.
Both do what a job does between sound and pictures, without writing a file:

    ours       chunks as long as the sound needs; nothing is encoded that nobody looks at
    carried    ours with `carry_decoder`
    official   wan/speech2video.py of Wan-Video/Wan2.2: chunks of 80 pictures; motion and pose are
               encoded blank where there are none; motion is encoded after the last chunk too;
               pictures are collected as floats

Each run is a process of its own, in turns; times are CPU seconds of one thread, the least of the
rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from bench.measure import run_command
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.encoders.pictures import reference_pixels, to_rgb
from soundreel.engines.wan.encoders.sound import AudioEncoder, SoundFeatures, clip_sound
from soundreel.engines.wan.encoders.text import TextEncoder, text_model
from soundreel.engines.wan.encoders.vae import SPACE, WanVae, vae_model
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import WanOptions, parse_options
from soundreel.engines.wan.sampling.sampler import Predict, denoise, draw_noise, guide, make_solver
from soundreel.engines.wan.session import WanSession
from soundreel.engines.wan22 import CHUNK_FRAMES, DROPPED_FRAMES, MOTION_FRAMES
from soundreel.events import RunControl
from soundreel.media.image import load_image
from soundreel.timeline.grid import latents_for
from soundreel.types import Plan, Request

EXAMPLES = Path(__file__).parents[1] / "examples"
OPTIONS: dict[str, object] = {"sampling_preset": "official", "steps": 2}
TARGETS = {"ours": 1.5, "carried": 1.7, "official": 1.0}
CPU = torch.device("cpu")

Spent = defaultdict[str, float]
"""CPU seconds and pictures, by what they are of."""

TINY = {
    **{"num_attention_heads": 2, "attention_head_dim": 24, "ffn_dim": 64, "num_layers": 2},
    **{"text_dim": 16, "audio_dim": 16, "num_audio_layers": 3, "audio_inject_layers": (0,)},
}
TINY_TEXT = {
    **{"vocab_size": 8, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2},
    **{"relative_attention_num_buckets": 32, "feed_forward_proj": "gated-gelu"},
}
TINY_SOUND = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 32, "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16},
    **{"num_conv_pos_embedding_groups": 4, "feat_extract_norm": "layer", "conv_bias": True},
    **{"do_stable_layer_norm": True, "vocab_size": 4},
}


def main(rounds: int = 1) -> None:
    found: dict[str, list[Spent]] = {name: [] for name in WAYS}
    for index in range(rounds):
        for name in list(WAYS)[:: -1 if index % 2 else 1]:
            found[name].append(_in_a_process(name))
    for name, runs in found.items():
        best = min(runs, key=lambda run: run["cpu s"])
        told = ", ".join(f"{key} {value:.1f}" for key, value in best.items())
        ratio = min(run["cpu s"] for run in found["official"]) / best["cpu s"]
        print(f"{name}: {told}: {ratio:.2f}x as fast as official (target {TARGETS[name]})")


def _in_a_process(name: str) -> Spent:
    """Its parts, and its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "parts.json"
        cost = run_command([sys.executable, "-m", "bench.whole_job", "--run", name, str(out)])
        parts: Spent = defaultdict(float, json.loads(out.read_text(encoding="utf-8")))
    parts["peak MiB"] = round(cost.peak_bytes / 2**20)
    return parts


def run(name: str) -> Spent:
    """CPU seconds of one way, by parts; latent frames that went through the VAE."""
    torch.set_num_threads(1)
    spent: Spent = defaultdict(float)
    parts, plan, options = _components(spent), _plan(), parse_options(OPTIONS)
    begun = time.process_time()
    with torch.no_grad():
        count = sum(1 for _ in WAYS[name](plan, options, parts, RunControl()))
    spent["cpu s"] = time.process_time() - begun
    spent["pictures made"] = count
    return spent


def _plan() -> Plan:
    request = Request(
        audio=EXAMPLES / "speech.wav",
        image=EXAMPLES / "portrait.png",
        engine="wan",
        width=96,
        height=64,
        seed=1,
        options=OPTIONS,
    )
    return plan_request(request, check_inputs(request), WanEngine(Settings()), RunControl())


# --- both ways ----------------------------------------------------------------------------------

Way = Callable[[Plan, WanOptions, Components, RunControl], Iterator[object]]
"""Pictures of a job, as they are ready."""


def ours(
    plan: Plan, options: WanOptions, parts: Components, control: RunControl
) -> Iterator[object]:
    session = WanSession(plan, options, parts)
    session.prepare(control)
    for chunk in plan.chunks:
        yield from session.render(chunk, control)


def official(
    plan: Plan, options: WanOptions, parts: Components, control: RunControl
) -> Iterator[object]:
    # 1. What all chunks share; motion and pose are blank.
    vae, model, encoder = parts.vae(), parts.transformer(), parts.text()
    texts = [encoder.encode(text) for text in (plan.request.prompt, plan.request.negative_prompt)]
    assert plan.request.image is not None
    width, height = plan.request.width, plan.request.height
    pixels = reference_pixels(load_image(plan.request.image), width, height, official=True)
    reference = vae.encode(pixels)
    buffer = torch.zeros(1, 3, MOTION_FRAMES, height, width)
    motion = vae.encode(buffer)
    pose = vae.encode(-torch.ones(1, 3, 1 + CHUNK_FRAMES, height, width))[:, :, 1:]
    clip = plan.audio
    sound = SoundFeatures(
        parts.audio(), clip_sound(clip, Fraction(0), clip.duration, control), fps=plan.fps
    )

    # 2. Chunks of one length.
    size = latents_for(CHUNK_FRAMES), height // SPACE, width // SPACE
    videos: list[Tensor] = []
    for index in range(-(-plan.num_frames // CHUNK_FRAMES)):
        features = sound.pictures(index * CHUNK_FRAMES, CHUNK_FRAMES)
        seen = motion if index else None  # the first chunk's is encoded and dropped
        arguments = (size, reference, seen, pose)
        silent = _conditioned(model, texts[1], torch.zeros_like(features), arguments)
        predict = guide(
            _conditioned(model, texts[0], features, arguments),
            [(silent, options.sampling.guidance_scale)],
        )
        noise = draw_noise((16, *size), plan.request.seed + index, parts.dtype, CPU)
        *_, last = denoise(predict, noise, make_solver(options.sampling), lambda: None)
        led = torch.cat([motion if index else reference, last.latents], dim=2)
        pictures = torch.cat(list(vae.decode(led)), dim=2)[:, :, -CHUNK_FRAMES:]
        videos.append(pictures if index else pictures[:, :, DROPPED_FRAMES:])
        buffer = torch.cat([buffer, videos[-1]], dim=2)[:, :, -MOTION_FRAMES:]
        motion = vae.encode(buffer)
    yield from to_rgb(torch.cat(videos, dim=2))[: plan.num_frames]


def _conditioned(
    model: WanS2VTransformer3DModel,
    text: Tensor,
    features: Tensor,
    arguments: tuple[tuple[int, int, int], Tensor, Tensor | None, Tensor],
) -> Predict:
    conditioning = model.prepare(text, features, *arguments)
    return lambda latents, timestep: model(latents, timestep, conditioning).sample


def carried(
    plan: Plan, options: WanOptions, parts: Components, control: RunControl
) -> Iterator[object]:
    return ours(plan, options.model_copy(update={"carry_decoder": True}), parts, control)


WAYS: dict[str, Way] = {"ours": ours, "carried": carried, "official": official}


# --- the models ---------------------------------------------------------------------------------


def _components(spent: Spent) -> Components:
    torch.manual_seed(0)
    text = TextEncoder(text_model(TINY_TEXT), lambda _: [1] * 20)
    audio = AudioEncoder(Wav2Vec2Model(Wav2Vec2Config.from_dict(TINY_SOUND)))
    vae = _TimedVae(vae_model({}), spent)
    transformer = WanS2VTransformer3DModel(**TINY).eval().requires_grad_(False)
    return Components(
        lambda: text, lambda: audio, lambda: vae, lambda: transformer, CPU, torch.float32
    )


class _TimedVae(WanVae):
    """Adds up what it takes, and the latent frames."""

    def __init__(self, model: nn.Module, spent: Spent) -> None:
        super().__init__(model)
        self._spent = spent

    def encode(self, *args: Any, **named: Any) -> Tensor:
        begun = time.process_time()
        latents = super().encode(*args, **named)
        self._spent["encoding s"] += time.process_time() - begun
        self._spent["encoded latents"] += latents.shape[2]
        return latents

    def decode(self, latents: Tensor, *args: Any, **named: Any) -> Iterator[Tensor]:
        self._spent["decoded latents"] += latents.shape[2]
        stream = super().decode(latents, *args, **named)
        while True:
            begun = time.process_time()
            pictures = next(stream, None)
            self._spent["decoding s"] += time.process_time() - begun
            if pictures is None:
                return
            yield pictures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--run", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run is None:
        main(given.rounds)
    else:
        Path(given.run[1]).write_text(json.dumps(run(given.run[0])), encoding="utf-8")
