"""Nothing that a session of images does on a card touches a tensor that is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from safetensors.torch import save_file
from torch import Tensor

from soundreel.engines.wan.encoders.tiles import FINEST, WHOLE
from soundreel.engines.wan.files.lookup import scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.image import session as session_module
from soundreel.engines.wan.image.files import select
from soundreel.engines.wan.image.job import make_parts
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.image.parts import ImageParts
from soundreel.engines.wan.image.session import ImageSession
from soundreel.engines.wan.load.mapped import read_state
from soundreel.engines.wan.memory import stream
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.sampling import pulse
from soundreel.events import RunControl
from wan import tiny as wan_tiny
from wan.eight_bit import scaled
from wan.fake_card import APPLE, CARD, fake_card, plain_attention
from wan.image import plans, tiny


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


def _noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A card's generator cannot be had without one."""
    return torch.empty(1, *shape, device=device)


@pytest.fixture(scope="module")
def eight_bit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both transformers as an fp8_scaled writer leaves them, with their LoRAs."""
    folder = tiny.write_model_folder(tmp_path_factory.mktemp("eight"))
    for path in (folder / "diffusion_models").glob("*.safetensors"):
        save_file(scaled(read_state([path])), path)
    return folder


def loaded(parts: ImageParts) -> ImageParts:
    """The models are read before the card is there: torch swaps their tensors as it reads them."""
    text, vae = parts.text(), parts.vae()
    experts = {expert: load() for expert, load in parts.experts.items()}
    return replace(
        parts,
        text=lambda: text,
        vae=lambda: vae,
        experts={"high": lambda: experts["high"], "low": lambda: experts["low"]},
    )


def run(
    models: Path,
    level: OffloadLevel,
    *,
    device: torch.device = CARD,
    tiled: bool = False,
    **options: object,
) -> int:
    """Pictures that two passes with a first and a last picture give on the fake card."""
    chosen = WanImageOptions.model_validate(options)
    files = select(list(scan(places([models]))), chosen)
    tiling = FINEST if tiled else WHOLE
    parts = make_parts(files, Residence(device, level), dtype=torch.bfloat16, tiling=tiling)
    parts, plan = loaded(parts), plans.plan_of((8, 8))
    with fake_card(device):
        first, last = plans.picture(1), plans.picture(2)
        session = ImageSession(plan, chosen, parts, first, last, noise=_noise)
        session.prepare(RunControl())
        return sum(1 for chunk in plan.chunks for _ in session.render(chunk, RunControl()))


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_eight_bit_weights_with_loras_run_at_every_level(
    eight_bit: Path, level: OffloadLevel
) -> None:
    assert run(eight_bit, level) == 17


@pytest.mark.parametrize(
    ("level", "sampler"), list(zip(OFFLOAD_LEVELS, ["unipc", "euler", "dpm++"], strict=True))
)
def test_guidance_and_tiles_run(level: OffloadLevel, sampler: str) -> None:
    given: dict[str, Any] = {
        "sampling_preset": "official",
        "steps": 2,
        "split_step": 1,
        "sampler": sampler,
    }
    assert run(tiny.model_folder(), level, tiled=True, **given) == 17


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_apples_devices_are_given_no_numbers_that_they_lack(
    level: OffloadLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.mps, "synchronize", lambda: None)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", plain_attention)
    assert run(tiny.model_folder(), level, device=APPLE) == 17
