"""FILM gives the pictures that a ComfyUI server's FILM gave, and its tiles the whole picture."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from post.film_weights import DATA, film_weights, save_film
from soundreel.errors import InputError, OutOfMemory
from soundreel.post.networks import between
from soundreel.post.networks.between import NetworkBetween, in_tiles, spans
from soundreel.post.networks.film import Film, image_pyramid, moved_by
from soundreel.work.job import Job

RECORDED = DATA / "film_by_a_server.safetensors"
"""Two pictures and what the core nodes of ComfyUI 0.33 made between them, with these weights."""


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return film_weights()


@pytest.fixture(scope="module")
def network(weights: dict[str, Tensor]) -> Film:
    film = Film().eval().requires_grad_(False)
    film.load_state_dict(weights)
    return film


@pytest.fixture(scope="module")
def file(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_film(weights, tmp_path_factory.mktemp("film") / "film_net_fp16.safetensors")


@pytest.mark.parametrize("time", [0.5, 0.25])
def test_a_picture_between_is_the_servers(network: Film, time: float) -> None:
    recorded = load_file(RECORDED)
    made = network(recorded["image0"], recorded["image1"], time)
    torch.testing.assert_close(made, recorded[f"t{time}"], atol=1e-5, rtol=0)


def test_a_shift_of_pixels_is_one() -> None:
    picture = torch.rand(1, 2, 5, 7)
    motion = torch.zeros(1, 2, 5, 7)
    motion[:, 0], motion[:, 1] = 2, -1
    moved = moved_by(picture, motion)
    torch.testing.assert_close(moved[..., 1:, :5], picture[..., :-1, 2:])
    torch.testing.assert_close(moved[..., 0, :5], picture[..., 0, 2:])  # the edge goes on


def test_a_scale_is_the_mean_of_the_one_before() -> None:
    picture = torch.rand(1, 3, 64, 96)
    pyramid = image_pyramid(picture)
    assert [tuple(each.shape[-2:]) for each in pyramid[-2:]] == [(2, 3), (1, 1)]
    torch.testing.assert_close(pyramid[1][0, 0, 3, 5], picture[0, 0, 6:8, 10:12].mean())


def test_pictures_come_back_as_bytes_at_their_times(file: Path) -> None:
    recorded = load_file(RECORDED)
    first, second = (_bytes(recorded[name]) for name in ("image0", "image1"))
    film = NetworkBetween(file)
    made = film(first, second, [Fraction(1, 4), Fraction(1, 2)])
    for picture, name in zip(made, ("t0.25", "t0.5"), strict=True):
        off = np.abs(picture.astype(int) - _bytes(recorded[name]).astype(int))
        assert off.max() <= 2  # weights in half precision, pictures in bytes
    assert film(first, second, []) == []


def test_a_torchscript_file_gives_the_same(network: Film, file: Path, tmp_path: Path) -> None:
    class Published(nn.Module):
        def forward(self, first: Tensor, second: Tensor, time: Tensor) -> Tensor:
            return cast(Tensor, network(first, second, cast(float, time)))

    recorded = load_file(RECORDED)
    inputs = (recorded["image0"], recorded["image1"], torch.full((1, 1), 0.5))
    script: Any = torch.jit.trace
    script(Published(), inputs, check_trace=False).save(str(tmp_path / "film_net_fp32.pt"))
    first, second = _bytes(inputs[0]), _bytes(inputs[1])
    [scripted] = NetworkBetween(tmp_path / "film_net_fp32.pt")(first, second, [Fraction(1, 3)])
    [filled] = NetworkBetween(file)(first, second, [Fraction(1, 3)])
    assert np.abs(scripted.astype(int) - filled.astype(int)).max() <= 1


def _bytes(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    whole = (picture[0].clamp(0, 1) * 255).round().byte()
    return whole.permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("size", "tile"), [(64, 1280), (1280, 1280), (1281, 1280), (4000, 500)])
def test_tiles_cover_everything_and_overlap(size: int, tile: int) -> None:
    found = spans(size, tile)
    assert (found[0].start, found[-1].stop) == (0, size)
    assert all(span.stop - span.start <= tile + 1 for span in found)
    assert all(a.stop - b.start == between.OVERLAP for a, b in pairwise(found))


def test_tiles_of_a_picture_that_is_each_pixel_alone_are_the_whole() -> None:
    def mean(first: Tensor, second: Tensor, time: float) -> Tensor:
        return first * (1 - time) + second * time

    first, second = torch.rand(1, 3, 300, 210), torch.rand(1, 3, 300, 210)
    made = in_tiles(mean, first, second, 0.25, 128)
    torch.testing.assert_close(made, mean(first, second, 0.25))


def test_a_small_picture_is_filled_up(file: Path) -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (48, 34, 3), np.uint8)
    [made] = NetworkBetween(file)(small, small[::-1].copy(), [Fraction(1, 2)])
    assert made.shape == (48, 34, 3)


class Memory:
    """In place of `in_tiles`, on a device where tiles of at most `room` pixels fit."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, *given: object) -> Tensor:
        tile = given[-1]
        assert isinstance(tile, int)
        self.asked.append(tile)
        if tile > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(1, 3, 64, 64)


def test_the_tiles_of_a_job_are_found_once_and_kept(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    black, half = np.zeros((64, 64, 3), np.uint8), [Fraction(1, 2)]
    monkeypatch.setattr(between, "load_network", lambda *_: None)
    monkeypatch.setattr(between, "choose_device", lambda: torch.device("meta"))
    with Job(tmp_path / "work", "a" * 20) as job:
        monkeypatch.setattr(between, "in_tiles", memory := Memory(400))
        film = NetworkBetween(file, fixed=job.fixed)
        film(black, black, half)
        film(black, black, half)
        assert memory.asked == [1280, 640, 320, 320, 320]
        monkeypatch.setattr(between, "in_tiles", roomy := Memory(5000))  # the job goes on later
        NetworkBetween(file, fixed=job.fixed)(black, black, half)
        assert roomy.asked == [320]
        monkeypatch.setattr(between, "in_tiles", Memory(300))
        with pytest.raises(OutOfMemory, match="tiles of 320") as raised:
            NetworkBetween(file, fixed=job.fixed)(black, black, half)
        assert "finished parts are kept" in raised.value.hint
    monkeypatch.setattr(between, "in_tiles", Memory(0))
    with pytest.raises(OutOfMemory, match="more memory"):
        NetworkBetween(file)(black, black, half)


@pytest.mark.parametrize("name", ["film.safetensors", "film.pt"])
def test_another_file_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match="does not hold FILM"):
        NetworkBetween(path)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="does not hold FILM"):
        NetworkBetween(tmp_path / "other.safetensors")
