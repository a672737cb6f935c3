"""What fewer passes of the transformer do to a recorded case: step caches, guidance in a part of
the steps, fewer steps, and diffusers' cache of the first block for comparison.

    python -m bench.few_steps               # on a CPU, some minutes

The recorded case (tests/parity/data, run 1) has a transformer of 4 blocks with random weights and
two guided chunks. Its velocity changes faster from step to step than that of trained weights, so
that thresholds reach less far here than where they were published. "computed" counts whole passes;
"blocks" all evaluations; latents are compared by 2-norm, pictures by PSNR, with all steps made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from diffusers.hooks import FirstBlockCacheConfig
from torch import Tensor

from bench import TESTS
from parity import models
from parity.recorded_run import NEGATIVE, PROMPT, RecordedRun
from parity.reference import Reference
from soundreel.engines.wan import session as session_module
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.encoders import inputs as inputs_module
from soundreel.engines.wan.encoders.sound import Sound
from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling import sampler
from soundreel.engines.wan.sampling.passes import CACHES, Caching
from soundreel.engines.wan.sampling.sampler import Predict
from soundreel.engines.wan.session import WanSession
from soundreel.events import RunControl
from soundreel.types import Chunk

OFFICIAL: Mapping[str, object] = {"steps": 40, "guidance_scale": 4.5, "flow_shift": 3.0}
QUALITY: Mapping[str, object] = {"steps": 20, "guidance_scale": 6.0, "flow_shift": 8.0}
THRESHOLDS = (*(each.threshold for each in CACHES.values()), 0.4, 0.6, 0.8)
FIRST_BLOCK = (0.06, 0.2, 0.24, 0.3)
INTERVALS = ("0:0.5", "0.1:0.6", "0.25:0.75", "0.5:1")

_DATA = TESTS / "parity" / "data"
_CPU = torch.device("cpu")


@dataclass
class Made:
    """Of one run of both chunks. blocks: evaluations; passes: that went through all blocks."""

    latents: list[Tensor]
    pictures: np.ndarray
    blocks: int
    passes: int


def main() -> None:
    run = recorded()
    for name, options, fewer in (("official", OFFICIAL, (30, 20)), ("quality", QUALITY, (14, 10))):
        whole = render(run, options)
        tell = teller(name, whole)
        for steps in fewer:
            tell(f"{steps} steps", render(run, {**options, "steps": steps}))
        for threshold in THRESHOLDS:
            with patch.dict(CACHES, faster=Caching(threshold, 1.0, "")):
                tell(f"cache at {threshold:g}", render(run, {**options, "cache": "faster"}))
        for threshold in FIRST_BLOCK:
            made = render(run, options, partial(_first_block, threshold))
            tell(f"first block at {threshold:g}", made)
        for interval in INTERVALS:
            made = render(run, {**options, "guidance_interval": interval})
            tell(f"guidance in {interval}", made)


def recorded() -> RecordedRun:
    reference = Reference(_DATA)
    return RecordedRun(reference, reference.file("e2e_run1"))


def render(
    run: RecordedRun,
    options: Mapping[str, object],
    around: Callable[[WanS2VTransformer3DModel], AbstractContextManager[None]] = lambda _: (
        nullcontext()
    ),
) -> Made:
    """Both recorded chunks, with the recorded noise and these options."""
    model = models.transformer(run.reference)
    counts = [0 for _ in model.blocks]
    for index, block in enumerate(model.blocks):
        block.get_submodule("norm2").register_forward_hook(_counter(counts, index))
    with TemporaryDirectory() as folder, around(model), _sound_of(run):
        session = _session(run, Path(folder), options, model)
        control, latents, pictures = RunControl(), [], []
        session.prepare(control)
        sample = session._sample

        def watched(chunk: Chunk, control: RunControl) -> Tensor:
            latents.append(sample(chunk, control))
            return latents[-1]

        session._sample = watched  # type: ignore[method-assign]
        for chunk in session._plan.chunks[:-1]:
            if model.is_cache_enabled:
                model._reset_stateful_cache()
            pictures += [frame.rgb for frame in session.render(chunk, control)]
    return Made(latents, np.stack(pictures).astype(float), sum(counts), counts[-1])


def _session(
    run: RecordedRun, folder: Path, options: Mapping[str, object], model: WanS2VTransformer3DModel
) -> WanSession:
    reference, wave, plan = run.reference, run.wave(), run.plan(folder)
    tokens = {PROMPT: run.tokens("prompt_ids"), NEGATIVE: run.tokens("neg_ids")}
    parts = Components(
        text=lambda: TextEncoder(models.text_model(reference), tokens.__getitem__),
        audio=lambda: models.audio_encoder(reference),
        vae=lambda: models.vae(reference),
        transformer=lambda: model,
        device=_CPU,
        dtype=torch.float32,
    )

    def noise(_shape: object, seed: int, *_: object) -> Tensor:
        return run.tensor(f"chunk{seed - run.facts['seed']}.noise")[None]

    return WanSession(
        plan,
        parse_options({**plan.request.options, **options}),
        parts,
        noise=noise,
        sound=Sound(len(wave), lambda first, count: wave[first : first + count]),
        motion_frames=run.config["motion_frames"],
    )


def _counter(counts: list[int], index: int) -> Callable[..., None]:
    def count(*_: object) -> None:
        counts[index] += 1

    return count


@contextmanager
def _sound_of(run: RecordedRun) -> Iterator[None]:
    with patch.object(inputs_module, "SoundFeatures", run.features):
        yield


@contextmanager
def _first_block(threshold: float, model: WanS2VTransformer3DModel) -> Iterator[None]:
    """diffusers' hooks, with a context around each of the passes."""

    def guide(
        conditional: Predict, weaker: Sequence[tuple[Predict, float]], guided: Iterable[bool]
    ) -> Predict:
        named = [(within(f"weaker {n}", each), scale) for n, (each, scale) in enumerate(weaker)]
        return sampler.guide(within("conditional", conditional), named, guided)

    def within(name: str, predict: Predict) -> Predict:
        def inside(latents: Tensor, timestep: Tensor) -> Tensor:
            with model.cache_context(name):
                return predict(latents, timestep)

        return inside

    model.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    with patch.object(session_module, "guide", guide):
        yield


def teller(name: str, whole: Made) -> Callable[[str, Made], None]:
    """Prints the name; what it gives prints a run beside `whole`."""
    print(f"\n{name}: {whole.passes} passes, {whole.blocks} blocks")
    print(f"{'':22}{'computed':>10}{'blocks':>8}{'latents':>10}{'PSNR':>9}{'worst':>8}")

    def tell(what: str, made: Made) -> None:
        pairs = zip(made.latents, whole.latents, strict=True)
        latents = max(float((ours - all_).norm() / all_.norm()) for ours, all_ in pairs)
        levels = made.pictures - whole.pictures
        square = float((levels**2).mean())
        psnr = f"{10 * math.log10(255**2 / square):.1f} dB" if square else "equal"
        print(
            f"{what:22}{made.passes / whole.passes:>10.0%}{made.blocks / whole.blocks:>8.0%}"
            f"{latents:>10.1%}{psnr:>9}{abs(levels).max():>8.0f}",
            flush=True,
        )

    return tell


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
