"""Measured peaks of level `none` against what the plan says, at a size that fits here.

    python -m bench.peaks

Two blocks of the 14B in bf16 (one with sound) and the whole VAE lie in memory together, as on a
card; then a pass is made, and pictures are decoded. On a CPU, in the numbers of a card. What the
process holds of its own is looked at all the time; what the libraries of a CPU take beside the
model counts too, as a card's would, for which the plan sets RESERVE aside. Not in fp8_scaled: there
a CPU makes float32 copies of a weight that is restored, which a card's kernel does without.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.full_size import memory
from bench.gpu_models import fill_at_random
from bench.main_memory import Watch
from soundreel.engines.wan.encoders.vae import Decoding, WanVae, vae_model
from soundreel.engines.wan.load.mapped import empty_model
from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.counted import two_blocks
from soundreel.engines.wan.memory.needs import Workload
from soundreel.engines.wan.memory.stream import tensor_places
from soundreel.engines.wan.model.names import kept_in_float32
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan22 import MOTION_LATENTS, TEXT_TOKENS
from soundreel.timeline.grid import slots_for

LOAD = Workload(256, 256, 16, passes=1)
FORMAT = "bf16"
DECODED = 5
"""Latent frames."""

WITHIN = 0.1
CPU = torch.device("cpu")


def main() -> None:
    # Freed memory goes back to the system at once, as a card's is there for the next one.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.peaks", "--run"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    for name, (measured, told) in json.loads(done.stdout.splitlines()[-1]).items():
        off = measured / told - 1
        verdict = "within" if abs(off) <= WITHIN else "NOT within"
        print(
            f"{name}: {measured / 1e9:.2f} GB measured, {told / 1e9:.2f} predicted: {off:+.1%}, "
            f"{verdict} {WITHIN:.0%}"
        )


def run() -> dict[str, tuple[int, int]]:
    """Bytes, measured and predicted, by stage."""
    torch.set_num_threads(1)
    torch.ones(64, 64) @ torch.ones(64, 64)
    before = memory()["RssAnon"]
    model, vae = _transformer(), _vae()
    weights = _bytes(model) + _bytes(vae.model)
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "sampling": (_pass(model), needs.step_count(LOAD, FORMAT).peak_bytes),
        "decode": (_decode(vae), needs.decode_count(LOAD, DECODED, None).peak_bytes),
    }
    found = {}
    for name, (work, told) in ways.items():
        watch = Watch()
        with torch.no_grad(), watch.running():
            work()
        found[name] = (max(watch.peaks.values()) - before, weights + told)
    return found


def _transformer() -> WanS2VTransformer3DModel:
    model = empty_model(two_blocks)
    fill_at_random(model, FORMAT, CPU, kept_in_float32)
    return model


def _vae() -> WanVae:
    model = empty_model(lambda: vae_model({}))
    fill_at_random(model, "float32", CPU, lambda _: True)
    return WanVae(model, decoding=Decoding(torch.bfloat16))


def _bytes(model: nn.Module) -> int:
    tensors = {id(store[name]): store[name] for store, name in tensor_places(model)}
    return sum(tensor.nbytes for tensor in tensors.values())


def _pass(model: Any) -> Callable[[], object]:
    frames, height, width = LOAD.latents

    def work() -> Tensor:
        made = model.prepare(
            torch.randn(1, TEXT_TOKENS, 4096).bfloat16(),
            torch.randn(1, 25, 1024, slots_for(frames)),
            LOAD.latents,
            torch.randn(1, 16, 1, height, width),
            torch.randn(1, 16, MOTION_LATENTS, height, width),
        )
        sample: Tensor = model(torch.randn(1, 16, *LOAD.latents), torch.tensor(500.0), made).sample
        return sample

    return work


def _decode(vae: WanVae) -> Callable[[], object]:
    _, height, width = LOAD.latents

    def work() -> None:
        for _ in vae.decode(torch.randn(1, 16, DECODED, height, width)):
            pass

    return work


if __name__ == "__main__":
    if "--run" in sys.argv:
        print(json.dumps(run()))
    else:
        main()
