"""RIFE gives the pictures that a ComfyUI server's RIFE gave, and makes those of a job."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fakes import frames_of, sidecar_of
from post.film_weights import DATA, rife_weights
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable, InputError
from soundreel.post.networks.between import NetworkBetween
from soundreel.post.networks.rife import Rife, rife_of
from soundreel.types import Request

RECORDED = DATA / "rife_by_a_server.safetensors"
"""Two pictures and what the core nodes of ComfyUI 0.33 made between them, with these weights."""


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return rife_weights()


@pytest.fixture(scope="module")
def network(weights: dict[str, Tensor]) -> Rife:
    rife = rife_of(weights).eval().requires_grad_(False)
    rife.load_state_dict(weights)
    return rife


@pytest.mark.parametrize("time", [0.5, 0.25])
def test_a_picture_between_is_the_servers(network: Rife, time: float) -> None:
    recorded = load_file(RECORDED)
    made = network(recorded["image0"], recorded["image1"], time)
    torch.testing.assert_close(made, recorded[f"t{time}"], atol=1e-5, rtol=0)


def test_a_size_of_its_own_is_filled_up_and_cut_again(network: Rife) -> None:
    """By what lies at the edge, mirrored, as the server does it."""
    recorded = load_file(RECORDED)
    first, second = (recorded[name][..., :100] for name in ("image0", "image1"))
    made = network(first, second, 0.5)
    pad = torch.nn.functional.pad
    wide = [pad(each, (0, 28, 0, 0), mode="reflect") for each in (first, second)]
    assert made.shape == first.shape
    torch.testing.assert_close(made, network(*wide, 0.5)[..., :100])


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_makes_the_pictures_of_a_job(
    tone: Path, tmp_path: Path, settings: Settings, weights: dict[str, Tensor], prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    request = Request(
        audio=tone, engine="fake", size="64x64", seed=3, num_frames=3, interpolate="rife",
        output=tmp_path / "a.mp4",
    )  # fmt: skip
    with pytest.raises(EngineUnavailable, match="none are on this machine") as raised:
        generate(request, settings)
    assert "rife_v4.26.safetensors" in raised.value.hint
    folder = tmp_path / "frame_interpolation"
    folder.mkdir()
    named = {prefix + name: tensor for name, tensor in weights.items()}
    save_file(named, folder / "rife_v4.26.safetensors")
    machine = settings.model_copy(update={"models_dir": (tmp_path,)})
    made = generate(replace(request, fps=Fraction(24)), machine)
    assert len(frames_of(made.path)) == 5
    versions = sidecar_of(made.path)["versions"]
    assert isinstance(versions, dict)
    assert versions["rife"].startswith("rife_v4.26.safetensors ")
    _, estimate = plan(request, settings)
    assert dict(estimate.details)["RIFE"].endswith("(measured on two cores)")


def test_pictures_come_back_as_bytes(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights, tmp_path / "rife.safetensors")
    recorded = load_file(RECORDED)
    first, second, expected = (
        np.asarray((recorded[name][0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
        for name in ("image0", "image1", "t0.5")
    )
    [made] = NetworkBetween(tmp_path / "rife.safetensors", "rife")(first, second, [Fraction(1, 2)])
    assert np.abs(made.astype(int) - expected.astype(int)).max() <= 2


def test_another_file_is_an_error(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="does not hold RIFE"):
        NetworkBetween(tmp_path / "other.safetensors", "rife")
