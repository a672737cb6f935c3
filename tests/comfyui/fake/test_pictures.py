"""The fake's pictures say what they say, also after a codec."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from comfyui.conftest import sweep
from comfyui.fake.pictures import Code, draw, read_code
from comfyui.fake.values import (
    Conditioning,
    Sound,
    blend,
    chunk_audio,
    decode,
    empty_latent,
    hear,
    latent_file,
    read_latent_file,
    sample,
)

CODES = [
    Code(bucket=-3, pitch=0, loudness=0, digest=0, context=255, baked=True),
    Code(bucket=0, pitch=7, loudness=170, digest=131, context=1, baked=False),
    Code(bucket=57599, pitch=255, loudness=255, digest=255, context=0, baked=False),
]
TEXTURE = np.random.default_rng(1).uniform(-1, 1, (8, 8))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 112)])
def test_a_code_is_read_back(code: Code, size: tuple[int, int]) -> None:
    texture = np.zeros((size[0] // 8, size[1] // 8))
    assert read_code(draw(code, *size, texture)) == code


def test_a_code_survives_a_lossy_codec() -> None:
    pictures = [draw(code, 64, 64, TEXTURE) for code in CODES for _ in range(4)]
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(16), options={"crf": "18"})
        stream.width = stream.height = 64
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    target.seek(0)
    with av.open(target, "r") as container:
        read = [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    for got, code in zip(read, [code for code in CODES for _ in range(4)], strict=True):
        assert got == code


def test_brightness_follows_loudness_alone() -> None:
    def mean(code: Code) -> float:
        return float(draw(code, 64, 64, np.zeros((8, 8))).mean())

    quiet = [Code(bucket, 9, 0, 5, 5, baked=False) for bucket in (0, 1, 500)]
    assert len({mean(code) for code in quiet}) == 1
    assert mean(Code(0, 9, 200, 5, 5, baked=False)) > mean(quiet[0]) + 50


def _latents(motion: np.ndarray | None = None, seed: int = 1) -> np.ndarray:
    heard = hear(Sound(sweep(6)[None].astype(np.float32), 16000))
    conditioning = Conditioning("x", chunk_audio(heard, 3, 0), motion=motion)
    return sample(empty_latent(64, 64, 9), conditioning, conditioning, {"seed": seed})


def test_latents_depend_on_seed_and_motion_but_only_on_its_last_19() -> None:
    motion = np.zeros((16, 25, 8, 8), np.float32)
    other, far = motion.copy(), motion.copy()
    other[5, 24, 3, 3] = 1e-6
    far[5, 3, 3, 3] = 1
    made = _latents(motion)
    assert np.array_equal(made, _latents(motion))
    assert np.array_equal(made, _latents(far))
    for different in (_latents(other), _latents(), _latents(motion, seed=2)):
        assert not np.array_equal(made, different)


def test_a_plain_decode_shows_each_bucket_at_its_own_frame() -> None:
    assert [read_code(p).bucket for p in decode(_latents())] == list(range(9))


def test_a_doubled_first_latent_shows_four_frames_too_many() -> None:
    """The template's way: frame k then shows the sound of k - 4."""
    latents = _latents()
    doubled = np.concatenate([latents[:, :1], latents], axis=1)
    assert [read_code(p).bucket for p in decode(doubled)][4:] == list(range(9))


def test_a_decode_without_what_came_before_looks_different() -> None:
    latents = np.concatenate([_latents(), _latents(seed=2)], axis=1)
    together, alone = decode(latents)[9:], decode(latents[:, 3:])
    assert len(together) == 12
    assert read_code(together[3]).context != read_code(alone[0]).context


def test_interpolation_gives_n_minus_1_times_m_plus_1() -> None:
    pictures = decode(_latents())
    doubled = blend(pictures, 2)
    assert len(doubled) == 17
    assert np.array_equal(doubled[::2], pictures)


def test_latent_files_keep_every_bit() -> None:
    latents = _latents()
    assert np.array_equal(read_latent_file(latent_file(latents)), latents)
