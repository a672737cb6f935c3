"""Nothing that a session does on a card touches a tensor that is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from PIL import Image
from torch import Tensor

from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.wan import session as session_module
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.encoders.pictures import PoseVideo
from soundreel.engines.wan.encoders.tiles import FINEST, LEAST, WHOLE
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.job import make_components
from soundreel.engines.wan.memory import stream
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling import pulse
from soundreel.engines.wan.session import WanSession
from soundreel.events import RunControl
from soundreel.types import Plan, Request
from wan import tiny as wan_tiny
from wan.eight_bit import write_eight_bit_folder
from wan.fake_card import APPLE, CARD, fake_card, plain_attention
from wan.files.weight_files import find_weights

SIDE = 64
MOTION_FRAMES = 17
"""Fewer than in production, since each operation on a fake tensor takes its time."""

WIDE = (LEAST + 8) * 8
"""Pixels of a picture that tiles cut in two."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """There are no streams without a card, and no numbers in the pictures of one."""
    for module in (stream, pulse):
        monkeypatch.setattr(module, "has_streams", lambda _: False)
    monkeypatch.setattr(session_module, "to_rgb", _shape_of_pictures)
    with wan_tiny.one_thread():
        yield


def _shape_of_pictures(pictures: Tensor) -> list[np.ndarray]:
    return [np.zeros((*pictures.shape[3:], 3), np.uint8)] * pictures.shape[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eight_bit_folder(tmp_path_factory.mktemp("eight"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 72, 3), np.uint8)).save(path)
    return path


def plan_of(request: Request, models: Path) -> Plan:
    engine = WanEngine(Settings(models_dir=(models,)))
    return plan_request(request, probe(request.audio), engine, RunControl())


def request_for(tone: Path, image: Path | None, width: int = SIDE, **options: object) -> Request:
    values: dict[str, object] = {**wan_tiny.OPTIONS, **options}
    return Request(
        audio=tone,
        image=image,
        engine="wan",
        width=width,
        height=SIDE,
        num_frames=13,
        seed=7,
        options=values,
    )


def loaded(parts: Components) -> Components:
    """The models are read before the card is there: torch swaps their tensors as it reads them."""
    text, audio, vae, transformer = parts.text(), parts.audio(), parts.vae(), parts.transformer()
    return replace(
        parts,
        text=lambda: text,
        audio=lambda: audio,
        vae=lambda: vae,
        transformer=lambda: transformer,
    )


def run(
    plan: Plan,
    models: Path,
    level: OffloadLevel,
    *,
    lora: Path | None = None,
    pose: PoseVideo | None = None,
    tiled: bool = False,
    device: torch.device = CARD,
) -> int:
    """Pictures that the whole plan gives on the fake card."""
    loras = ((given(lora, "lora"), 1.0),) if lora else ()
    files = Selection(find_weights((models,)), loras)
    parts = make_components(
        files, Residence(device, level), dtype=torch.bfloat16, tiling=FINEST if tiled else WHOLE
    )
    parts, options = loaded(parts), parse_options(plan.request.options)
    with fake_card(device):
        session = WanSession(
            plan, options, parts, noise=_noise, pose=pose, motion_frames=MOTION_FRAMES
        )
        session.prepare(RunControl())
        return sum(1 for chunk in plan.chunks for _ in session.render(chunk, RunControl()))


def _noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A card's generator cannot be had without one."""
    return torch.empty(1, *shape, device=device)


@pytest.mark.parametrize(
    ("level", "sampler"), list(zip(OFFLOAD_LEVELS, ["unipc", "euler", "dpm++"], strict=True))
)
def test_two_chunks_with_an_image_run_at_every_level(
    tone: Path, image: Path, level: OffloadLevel, sampler: str
) -> None:
    request = request_for(tone, image, sampler=sampler)
    plan = plan_of(request, wan_tiny.model_folder())
    assert len(plan.chunks) == 2
    assert run(plan, wan_tiny.model_folder(), level) == 13


@pytest.mark.parametrize(
    ("level", "sampler"), list(zip(OFFLOAD_LEVELS, ["unipc", "euler", "dpm++"], strict=True))
)
def test_apples_devices_are_given_no_numbers_that_they_lack(
    tone: Path,
    image: Path,
    level: OffloadLevel,
    sampler: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.mps, "synchronize", lambda: None)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", plain_attention)
    request = request_for(tone, image, sampler=sampler)
    plan = plan_of(request, wan_tiny.model_folder())
    assert run(plan, wan_tiny.model_folder(), level, device=APPLE) == 13


@pytest.mark.parametrize("dtype", [torch.float64, torch.float8_e4m3fn])
def test_the_fake_apple_device_refuses_what_a_real_one_has_not(dtype: torch.dtype) -> None:
    with fake_card(APPLE), pytest.raises(TypeError, match="mps"):
        torch.zeros(2).to(dtype).to(APPLE)


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
@pytest.mark.parametrize("tiled", [False, True])
def test_eight_bit_weights_lora_pose_and_tiles_run_at_every_level(
    tone: Path, image: Path, models: Path, level: OffloadLevel, tiled: bool
) -> None:
    request = request_for(tone, image, WIDE, init_first_frame=True, carry_decoder=True)
    plan = plan_of(request, models)
    picture = np.zeros((SIDE, WIDE, 3), np.uint8)
    pose = PoseVideo(lambda: repeat(picture), Fraction(16), WIDE, SIDE)
    lora = models / "style.safetensors"
    assert run(plan, models, level, lora=lora, pose=pose, tiled=tiled) == 13


def test_no_image_and_no_guidance_run(tone: Path) -> None:
    request = request_for(tone, None, guidance_scale=1.0)
    plan = plan_of(request, wan_tiny.model_folder())
    assert run(plan, wan_tiny.model_folder(), "none") == 13


@pytest.mark.parametrize(
    "operation",
    [
        lambda card, home: card + home,
        lambda card, home: torch.cat([card, home]),
        lambda card, home: torch.nn.functional.linear(card, home),
    ],
)
def test_the_card_refuses_what_lies_elsewhere(
    operation: Callable[[Tensor, Tensor], Tensor],
) -> None:
    with fake_card():
        card, home = torch.zeros(2, 2, device=CARD), torch.zeros(2, 2)
        assert operation(card, home.to(CARD)).device == CARD
        with pytest.raises(RuntimeError, match="same device"):
            operation(card, home)
