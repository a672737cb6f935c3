"""A pass equals diffusers' own WanImageToVideoPipeline with the same weights and noise.

The pipeline gets a scheduler with our ladder of sigmas, which differs from its own (and has tests
of its own against the official code); solvers, guidance, conditions, the switch of models and the
VAE are diffusers'.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
)
from torch import Tensor

from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan.image.conditioning import picture_latents
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.image.session import ImageSession
from soundreel.engines.wan.sampling.sampler import sigma_ladder
from soundreel.engines.wan22_i2v import BOUNDARY
from soundreel.events import RunControl
from wan.image import plans, twins

SLOTS = 8
PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"lora_high": ("none",), "lora_low": ("none",)},
    "official": {"sampling_preset": "official", "steps": 6},
}


def own_ladder(kind: type[Any], sampler: str, steps: int, shift: float) -> Any:
    """diffusers' scheduler on our sigmas."""

    class Scheduler(kind):  # type: ignore[misc]
        def set_timesteps(self, _: int, device: object = None) -> None:
            super().set_timesteps(steps)
            self.sigmas, self.timesteps = sigma_ladder(sampler, steps, shift)
            self.set_begin_index(0)

    if kind is FlowMatchEulerDiscreteScheduler:
        return Scheduler()
    return Scheduler(prediction_type="flow_prediction", use_flow_sigmas=True)


def pipeline(scheduler: object) -> WanImageToVideoPipeline:
    made = WanImageToVideoPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=twins.tiny_vae(3),
        scheduler=scheduler,
        transformer=twins.as_diffusers(twins.expert(1)),
        transformer_2=twins.as_diffusers(twins.expert(2)),
        boundary_ratio=float(BOUNDARY),
    )
    made.set_progress_bar_config(disable=True)
    return made


def padded(text: Tensor) -> Tensor:
    return torch.nn.functional.pad(text, (0, 0, 0, 512 - text.shape[1]))


def noise_of(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))[None]


def expected(options: WanImageOptions, first: Tensor, last: Tensor | None) -> Tensor:
    """Pictures (F, 3, H, W) in 0..1, by diffusers."""
    sampling = options.sampling
    kind = (
        FlowMatchEulerDiscreteScheduler if sampling.sampler == "euler" else UniPCMultistepScheduler
    )
    scheduler = own_ladder(kind, sampling.sampler, sampling.steps, sampling.flow_shift)
    made = pipeline(scheduler)(
        image=first[:, :, 0] / 2 + 0.5,
        last_image=None if last is None else last[:, :, 0] / 2 + 0.5,
        prompt_embeds=padded(plans.encoded(plans.PROMPT)),
        negative_prompt_embeds=padded(plans.encoded(plans.NEGATIVE)),
        height=plans.HEIGHT,
        width=plans.WIDTH,
        num_frames=SLOTS + 1,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        latents=noise_of((16, SLOTS // 4 + 1, plans.HEIGHT // 8, plans.WIDTH // 8), 7),
        output_type="pt",
    )
    return made.frames[0]


def ours(
    options: WanImageOptions,
    first: Tensor | None,
    last: Tensor | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Tensor:
    """The same by a session, in floats."""
    decoded: list[Tensor] = []

    def keep(pictures: Tensor) -> list[Any]:
        decoded.append(pictures)
        return []

    monkeypatch.setattr("soundreel.engines.wan.image.session.to_rgb", keep)
    session = ImageSession(
        plans.plan_of((SLOTS, SLOTS)),  # another pass follows, so that everything is decoded
        options,
        plans.parts(),
        first,
        last,
        noise=lambda shape, seed, *_: noise_of(shape, seed),
    )
    session.prepare(RunControl())
    plan = plans.plan_of((SLOTS,)) if last is not None else plans.plan_of((SLOTS, SLOTS))
    session._plan = plan
    list(session.render(plan.chunks[0], RunControl()))
    return torch.cat(decoded, dim=2)[0].permute(1, 0, 2, 3) / 2 + 0.5


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("with_last", [False, True], ids=["first", "first and last"])
def test_a_pass_equals_diffusers(
    preset: str, with_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = WanImageOptions(**PRESETS[preset])
    first, last = plans.picture(1), plans.picture(2) if with_last else None
    wanted = expected(options, first, last)
    found = ours(options, first, last, monkeypatch)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5
    assert wanted.std() > 0.05  # a picture, not one colour


def test_a_last_picture_alone_is_given_by_the_same_construction() -> None:
    """As diffusers makes it of a grey first picture and this last one, which is then not marked."""
    last, size = plans.picture(2), (SLOTS // 4 + 1, plans.HEIGHT // 8, plans.WIDTH // 8)
    found = picture_latents(WanVae(twins.tiny_vae(3)), size, None, last, lambda: None)
    grey = torch.zeros(1, 3, plans.HEIGHT, plans.WIDTH)
    _, wanted = pipeline(None).prepare_latents(
        grey,
        1,
        height=plans.HEIGHT,
        width=plans.WIDTH,
        num_frames=SLOTS + 1,
        dtype=torch.float32,
        device=torch.device("cpu"),
        latents=torch.zeros(1, 16, *size),
        last_image=last[:, :, 0],
    )
    wanted[:, :4, 0] = 0
    assert (found - wanted).abs().max() < 1e-5
    assert found[:, :4].sum() == size[1] * size[2]
