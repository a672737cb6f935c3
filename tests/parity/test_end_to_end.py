"""Whole generations through the session: every stage and the pictures equal the official ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from parity import models
from parity.reference import END_TO_END_TOLERANCE, Reference, ReferenceFile, max_abs
from soundreel.engines.wan import session as session_module
from soundreel.engines.wan.audio_encoder import SAMPLE_RATE, Sound
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.pictures import PoseVideo
from soundreel.engines.wan.sampler import Step, denoise, draw_noise
from soundreel.engines.wan.session import WanSession
from soundreel.engines.wan.text import TextEncoder
from soundreel.engines.wan.vae import WanVae
from soundreel.events import RunControl
from soundreel.types import AudioClip, Chunk, ChunkGeometry, Frame, Plan, Request, Shot

PROMPT, NEGATIVE = "prompt", "negative prompt"


class Run:
    """One recorded generation: what was given, and what came out at every stage."""

    def __init__(self, reference: Reference, file: ReferenceFile) -> None:
        self.reference, self.file = reference, file
        self.facts, self.config = file.cases, file.config
        self.height, self.width = self.facts["size_hw"]
        self.chunks = self.facts["chunks"]

    def tensor(self, name: str) -> Tensor:
        return self.file.tensor(name)

    def wave(self) -> np.ndarray:
        """The wave that the run's features were made of: "audio_cases w3 (...)" names it."""
        used = next(text for text in self.config["uses"] if text.startswith("audio_cases"))
        return self.reference.file("audio_cases").tensor(f"{used.split()[1]}.wave").numpy()

    def tokens(self, which: str) -> list[int]:
        """The real ones of the token ids that the manifest names as "t5_cases prompt.ids"."""
        start, name = self.config[which].split()
        stored = self.reference.file(start)
        ids, mask = stored.tensor(name), stored.tensor(name.replace(".ids", ".mask"))
        return ids[0][mask[0] == 1].tolist()

    def plan(self, folder: Path) -> Plan:
        """As the official code cuts: whole chunks, the sound from 0. One chunk more than recorded
        is planned and never rendered, so that the last one's motion is encoded too."""
        infer, init = self.facts["infer"], self.facts["init"]
        image = folder / "reference.png"
        Image.fromarray(self.tensor("ref_image_uint8").numpy()).save(image)
        kept = [chunk["kept_frames"] for chunk in self.chunks]
        kept.append(infer)
        starts = np.cumsum([0, *kept]).tolist()
        chunks = tuple(
            Chunk(index, 0, index * infer, infer, infer - count, starts[index], count)
            for index, count in enumerate(kept)
        )
        options = {
            "steps": self.facts["steps"],
            "flow_shift": self.facts["shift"],
            "sampler": self.facts["solver"],
            "guidance_scale": self.config["guide_scale"],
            "init_first_frame": init,
            "reference_timing": True,
        }
        request = Request(
            audio=Path("wave"),
            image=image,
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            width=self.width,
            height=self.height,
            seed=self.facts["seed"],
            engine="wan",
            options=options,
        )
        fps = Fraction(self.config["fps"])
        length = Fraction(len(self.wave()), SAMPLE_RATE)
        clip = AudioClip(request.audio, Fraction(0), starts[-1] / fps, length, SAMPLE_RATE, 1)
        geometry = ChunkGeometry(fps, infer, infer, infer - kept[0])
        return Plan(request, geometry, clip, starts[-1], (Shot(0, 0, starts[-1]),), chunks)

    def pose(self) -> PoseVideo | None:
        """The recorded pose pictures, [F, H, W, 3] or channels first, 8 bit."""
        if self.facts["pose"] is None:
            return None
        name = next(
            key
            for key, about in self.file.entry["tensors"].items()
            if "pose" in key and about["dtype"] == "uint8"
        )
        pictures = self.tensor(name)
        if pictures.shape[-1] != 3:
            pictures = pictures.movedim(pictures.shape.index(3), -1)
        rate = Fraction(str(_pose_rate(self.facts, self.config))).limit_denominator(1001)
        return PoseVideo(
            lambda: iter(pictures.numpy()), rate, self.width, self.height, official=True
        )


def _pose_rate(*places: dict[str, Any]) -> float:
    """Pictures a second of the pose video, wherever the manifest says it; else the model's."""
    for place in places:
        for key, value in place.items():
            if "pose" not in key:
                continue
            if isinstance(value, dict):
                found = [rate for name, rate in value.items() if "fps" in name]
                if found:
                    return float(found[0])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
    return float(places[-1]["fps"])


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
        self, latents: Tensor, skip: int = 0, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        pictures: list[Tensor] = []
        self._seen.decoded.append((latents, pictures))
        for group in super().decode(latents, skip, check):
            pictures.append(group)
            yield group


def run_session(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Render the recorded chunks with the recorded noise."""
    seen, reference = Seen(), run.reference
    transformer = models.transformer(reference)
    prepare = transformer.prepare

    def watched_prepare(text: Tensor, features: Tensor, **rest: Any) -> Any:
        seen.prepared.append({"text": text, "audio": features, **rest})
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
    tokens = {PROMPT: run.tokens("prompt_ids"), NEGATIVE: run.tokens("neg_ids")}
    parts = Components(
        text=lambda: TextEncoder(models.text_model(reference), tokens.__getitem__),
        audio=lambda: models.audio_encoder(reference),
        vae=lambda: WatchedVae(models.vae(reference), seen),
        transformer=lambda: transformer,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    plan, wave, control = run.plan(folder), run.wave(), RunControl()
    session = WanSession(
        plan,
        parse_options(plan.request.options),
        parts,
        noise=recorded_noise,
        sound=Sound(len(wave), lambda first, count: wave[first : first + count]),
        pose=run.pose(),
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
        rendered[e2e_run.name] = run_session(Run(reference, e2e_run), tmp_path, monkeypatch)
    return rendered[e2e_run.name]


@pytest.fixture
def run(e2e_run: ReferenceFile, reference: Reference) -> Run:
    return Run(reference, e2e_run)


def close(actual: Tensor, expected: Tensor) -> None:
    assert max_abs(actual, expected) <= END_TO_END_TOLERANCE


def test_final_pictures(run: Run, seen: Seen) -> None:
    video = run.tensor("video")
    for (_, groups), facts in zip(seen.decoded, run.chunks, strict=True):
        first, end = facts["video_slice"]
        close(torch.cat(groups, dim=2)[0], video[:, first:end])
    assert [frame.index for frame in seen.frames] == list(range(run.facts["frames_total"]))
    levels = ((video + 1) * 127.5).clamp(0, 255).permute(1, 2, 3, 0).numpy()
    shown = np.stack([frame.rgb for frame in seen.frames])
    assert np.abs(shown - levels).max() <= 0.5 + 127.5 * END_TO_END_TOLERANCE


def test_text_and_reference(run: Run, seen: Seen) -> None:
    close(seen.prepared[0]["text"][0], run.tensor("context"))
    close(seen.prepared[1]["text"][0], run.tensor("context_null"))
    close(seen.prepared[0]["reference_latents"], run.tensor("ref_latents"))
    close(seen.encoded[0][0][0], run.tensor("ref_pixel_values"))


def test_sound(run: Run, seen: Seen) -> None:
    for index in range(len(run.chunks)):
        conditional, unconditional = seen.prepared[2 * index : 2 * index + 2]
        close(conditional["audio"], run.tensor(f"chunk{index}.audio_input"))
        assert not unconditional["audio"].any()


def test_sampling(run: Run, seen: Seen) -> None:
    guided_steps = 2 * run.facts["steps"]
    for index, steps in enumerate(seen.steps):
        name = f"chunk{index}"
        conditional, unconditional = seen.predictions[guided_steps * index :][:2]
        close(conditional[0], run.tensor(f"{name}.step0_pred_cond"))
        close(unconditional[0], run.tensor(f"{name}.step0_pred_uncond"))
        close(torch.cat([step.velocity for step in steps]), run.tensor(f"{name}.guided_pred"))
        close(torch.cat([step.latents for step in steps]), run.tensor(f"{name}.latents_after_step"))


def test_motion_and_decoder_input(run: Run, seen: Seen) -> None:
    for index, facts in enumerate(run.chunks):
        motion_in = seen.prepared[2 * index]["motion_latents"]
        assert (motion_in is None) == facts["drop_motion_frames"]
        if motion_in is not None:
            close(motion_in, run.tensor(f"chunk{index}.motion_latents_in"))
        close(seen.decoded[index][0][0], run.tensor(f"chunk{index}.decode_in"))
        close(seen.motion_out[index], run.tensor(f"chunk{index}.motion_latents_out"))


def test_blank_motion_that_is_not_encoded_would_be_as_recorded(
    run: Run, reference: Reference
) -> None:
    """The official code encodes it and drops it; so nothing depends on it."""
    for index, facts in enumerate(run.chunks):
        if facts["drop_motion_frames"]:
            blank = torch.zeros(1, 3, run.config["motion_frames"], run.height, run.width)
            close(
                models.vae(reference).encode(blank), run.tensor(f"chunk{index}.motion_latents_in")
            )


def test_pose(run: Run, seen: Seen) -> None:
    """Recorded pose latents, where the set has a pose video and names them."""
    pattern = re.compile(r"chunk(\d+)\.(cond|pose)\w*")
    for name in run.file.keys:
        match = pattern.fullmatch(name)
        if match and run.facts["pose"] is not None:
            close(seen.prepared[2 * int(match[1])]["pose_latents"], run.tensor(name))
    if run.facts["pose"] is None:
        assert all(inputs["pose_latents"] is None for inputs in seen.prepared)


def test_noise_of_the_seed_is_the_recorded_one(run: Run) -> None:
    for index in range(len(run.chunks)):
        noise = run.tensor(f"chunk{index}.noise")
        seed = run.facts["seed"] + index
        drawn = draw_noise(tuple(noise.shape), seed, torch.float32, torch.device("cpu"))
        assert max_abs(drawn[0], noise) == 0
