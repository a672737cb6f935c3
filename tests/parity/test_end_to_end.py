"""Whole generations through the session: every stage and the pictures equal the official ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from parity import models
from parity.recorded_run import NEGATIVE, PROMPT, RecordedRun
from parity.reference import END_TO_END_TOLERANCE, Reference, ReferenceFile, max_abs
from soundreel.engines.wan import session as session_module
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.encoders import inputs as inputs_module
from soundreel.engines.wan.encoders.sound import Sound
from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.encoders.vae import DecoderState, WanVae
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling.sampler import Step, denoise, draw_noise
from soundreel.engines.wan.session import WanSession
from soundreel.events import RunControl
from soundreel.types import Frame


@dataclass
class Seen:
    """What passed through the session, chunk by chunk."""

    prepared: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[Tensor] = field(default_factory=list)
    steps: list[list[Step]] = field(default_factory=list)
    encoded: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    decoded: list[tuple[Tensor, list[Tensor]]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    motion_out: list[Tensor] = field(default_factory=list)


class WatchedVae(WanVae):
    """Notes what it encodes and decodes."""

    def __init__(self, vae: WanVae, seen: Seen) -> None:
        super().__init__(vae.model)
        self._seen = seen

    def encode(self, pictures: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
        latents = super().encode(pictures, check)
        self._seen.encoded.append((pictures, latents))
        return latents

    def decode(
        self,
        latents: Tensor,
        skip: int = 0,
        check: Callable[[], None] = lambda: None,
        state: DecoderState | None = None,
    ) -> Iterator[Tensor]:
        pictures: list[Tensor] = []
        self._seen.decoded.append((latents, pictures))
        for group in super().decode(latents, skip, check, state):
            pictures.append(group)
            yield group


def run_session(
    run: RecordedRun, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object
) -> Seen:
    """Render the recorded chunks with the recorded noise. options: beside the recorded ones."""
    seen, reference = Seen(), run.reference
    transformer = models.transformer(reference)
    prepare = transformer.prepare

    def watched_prepare(text: Tensor, features: Tensor, **rest: Any) -> Any:
        seen.prepared.append({"text": text, "audio": features[0], **rest})
        return prepare(text, features, **rest)

    def watched_denoise(*arguments: Any) -> Iterator[Step]:
        seen.steps.append([])
        for step in denoise(*arguments):
            seen.steps[-1].append(step)
            yield step

    def recorded_noise(shape: tuple[int, ...], seed: int, *_: Any) -> Tensor:
        noise = run.tensor(f"chunk{seed - run.facts['seed']}.noise")
        assert noise.shape == shape
        return noise[None]

    transformer.register_forward_hook(lambda _m, _i, out: seen.predictions.append(out.sample))
    monkeypatch.setattr(transformer, "prepare", watched_prepare)
    monkeypatch.setattr(session_module, "denoise", watched_denoise)
    monkeypatch.setattr(inputs_module, "SoundFeatures", run.features)
    tokens = {PROMPT: run.tokens("prompt_ids"), NEGATIVE: run.tokens("neg_ids")}
    parts = Components(
        text=lambda: TextEncoder(models.text_model(reference), tokens.__getitem__),
        audio=lambda: models.audio_encoder(reference),
        vae=lambda: WatchedVae(models.vae(reference), seen),
        transformer=lambda: transformer,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    plan, wave, control, pose = run.plan(folder), run.wave(), RunControl(), run.pose()
    if pose is None and run.facts["pose"] is not None:
        # Only the latents of the pose video are recorded: take them as they are.
        monkeypatch.setattr(
            WanSession,
            "_pose_latents",
            lambda _self, chunk, _control: run.pose_latents(chunk.index),
        )
    session = WanSession(
        plan,
        parse_options({**plan.request.options, **options}),
        parts,
        noise=recorded_noise,
        sound=Sound(len(wave), lambda first, count: wave[first : first + count]),
        pose=pose,
        motion_frames=run.config["motion_frames"],
    )
    session.prepare(control)
    for chunk in plan.chunks[:-1]:
        seen.frames += session.render(chunk, control)
        seen.motion_out.append(seen.encoded[-1][1])
    return seen


@pytest.fixture(scope="module")
def rendered() -> dict[str, Seen]:
    return {}


@pytest.fixture
def seen(
    e2e_run: ReferenceFile,
    reference: Reference,
    rendered: dict[str, Seen],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Seen:
    """Each recorded run is rendered once for all tests of this file."""
    if e2e_run.name not in rendered:
        rendered[e2e_run.name] = run_session(RecordedRun(reference, e2e_run), tmp_path, monkeypatch)
    return rendered[e2e_run.name]


@pytest.fixture
def run(e2e_run: ReferenceFile, reference: Reference) -> RecordedRun:
    return RecordedRun(reference, e2e_run)


def close(actual: Tensor, expected: Tensor) -> None:
    assert max_abs(actual, expected) <= END_TO_END_TOLERANCE


def test_final_pictures(run: RecordedRun, seen: Seen) -> None:
    video = run.tensor("video")
    for (_, groups), facts in zip(seen.decoded, run.chunks, strict=True):
        first, end = facts["video_slice"]
        close(torch.cat(groups, dim=2)[0], video[:, first:end])
    assert [frame.index for frame in seen.frames] == list(range(run.facts["frames_total"]))
    levels = ((video + 1) * 127.5).clamp(0, 255).permute(1, 2, 3, 0).numpy()
    shown = np.stack([frame.rgb for frame in seen.frames])
    assert np.abs(shown - levels).max() <= 0.5 + 127.5 * END_TO_END_TOLERANCE


def test_text_and_reference(run: RecordedRun, seen: Seen) -> None:
    close(seen.prepared[0]["text"][0], run.tensor("context"))
    if run.guided:
        close(seen.prepared[1]["text"][0], run.tensor("context_null"))
    close(seen.prepared[0]["reference_latents"], run.tensor("ref_latents"))
    close(seen.encoded[0][0][0], run.tensor("ref_pixel_values"))


def test_sound(run: RecordedRun, seen: Seen) -> None:
    for index in range(len(run.chunks)):
        conditional, *unconditional = seen.prepared[run.passes * index :][: run.passes]
        close(conditional["audio"], run.tensor(f"chunk{index}.audio_input"))
        assert all(not inputs["audio"].any() for inputs in unconditional)


def test_sampling(run: RecordedRun, seen: Seen) -> None:
    for index, steps in enumerate(seen.steps):
        name = f"chunk{index}"
        conditional, *unconditional = seen.predictions[run.passes * len(steps) * index :][
            : run.passes
        ]
        close(conditional[0], run.tensor(f"{name}.step0_pred_cond"))
        for prediction in unconditional:
            close(prediction[0], run.tensor(f"{name}.step0_pred_uncond"))
        close(torch.cat([step.velocity for step in steps]), run.tensor(f"{name}.guided_pred"))
        close(torch.cat([step.latents for step in steps]), run.tensor(f"{name}.latents_after_step"))


def test_motion_and_decoder_input(run: RecordedRun, seen: Seen) -> None:
    for index, facts in enumerate(run.chunks):
        motion_in = seen.prepared[run.passes * index]["motion_latents"]
        assert (motion_in is None) == facts["drop_motion_frames"]
        if motion_in is not None:
            close(motion_in, run.tensor(f"chunk{index}.motion_latents_in"))
        close(seen.decoded[index][0][0], run.tensor(f"chunk{index}.decode_in"))
        close(seen.motion_out[index], run.tensor(f"chunk{index}.motion_latents_out"))


def test_blank_motion_that_is_not_encoded_would_be_as_recorded(
    run: RecordedRun, reference: Reference
) -> None:
    """The official code encodes it and drops it; so nothing depends on it."""
    for index, facts in enumerate(run.chunks):
        if facts["drop_motion_frames"]:
            blank = torch.zeros(1, 3, run.config["motion_frames"], run.height, run.width)
            close(
                models.vae(reference).encode(blank), run.tensor(f"chunk{index}.motion_latents_in")
            )


def test_pose(run: RecordedRun, seen: Seen) -> None:
    for index in range(len(run.chunks)):
        given, recorded = seen.prepared[run.passes * index]["pose_latents"], run.pose_latents(index)
        assert (given is None) == (run.facts["pose"] is None)
        if recorded is not None:
            close(given, recorded)


def test_noise_of_the_seed_is_the_recorded_one(run: RecordedRun) -> None:
    for index in range(len(run.chunks)):
        noise = run.tensor(f"chunk{index}.noise")
        seed = run.facts["seed"] + index
        drawn = draw_noise(tuple(noise.shape), seed, torch.float32, torch.device("cpu"))
        assert max_abs(drawn[0], noise) == 0
