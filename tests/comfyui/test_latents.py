"""Motion latents: ComfyUI's files in, the same floats out."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from soundreel.engines.comfyui.latents import Latents, next_motion, read_latents, write_latents
from soundreel.errors import RemoteError


def latents(frames: int, seed: int = 0, dtype: str = "F32") -> tuple[Latents, np.ndarray]:
    values = np.random.default_rng(seed).standard_normal((1, 16, frames, 2, 3)).astype("<f4")
    return Latents(dtype, values.shape, values.tobytes()), values


def floats(motion: Latents) -> np.ndarray:
    return np.frombuffer(motion.data, "<f4").reshape(motion.shape)


def server_file(motion: Latents) -> bytes:
    """As the server writes it: with the prompt as metadata, and the tensors in its own order."""
    header = {
        "__metadata__": {"prompt": "{}"},
        "latent_tensor": {
            "dtype": motion.dtype,
            "shape": list(motion.shape),
            "data_offsets": [0, len(motion.data)],
        },
        "latent_format_version_0": {
            "dtype": "F32",
            "shape": [0],
            "data_offsets": [len(motion.data)] * 2,
        },
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + motion.data


def test_floats_survive_and_metadata_does_not() -> None:
    motion, _ = latents(19)
    read = read_latents(server_file(motion))
    assert read == motion
    assert read_latents(write_latents(read)) == motion
    assert b"prompt" not in write_latents(read)


def test_the_mark_against_rescaling_is_written() -> None:
    motion, _ = latents(3)
    assert b"latent_format_version_0" in write_latents(motion)


def test_a_full_chunk_gives_its_last_latents() -> None:
    sampled, values = latents(20)
    before, _ = latents(19, seed=1)
    assert np.array_equal(floats(next_motion(before, sampled, 19)), values[:, :, 1:])


def test_a_short_chunk_is_filled_up_from_before() -> None:
    sampled, new = latents(5)
    before, old = latents(19, seed=1)
    wanted = np.concatenate([old[:, :, 5:], new], axis=2)
    assert np.array_equal(floats(next_motion(before, sampled, 19)), wanted)


def test_latents_of_another_kind_are_not_joined() -> None:
    sampled, _ = latents(5)
    before, _ = latents(19, dtype="BF16")
    with pytest.raises(RemoteError, match="BF16"):
        next_motion(before, sampled, 19)


@pytest.mark.parametrize(
    "file",
    [b"", b"short", struct.pack("<Q", 4) + b"{}{}", struct.pack("<Q", 2**40), b"\x00" * 64],
)
def test_damaged_files_are_refused(file: bytes) -> None:
    with pytest.raises(RemoteError, match="latents"):
        read_latents(file)


def test_a_file_that_breaks_off_is_refused() -> None:
    motion, _ = latents(3)
    with pytest.raises(RemoteError, match="breaks off"):
        read_latents(write_latents(motion)[:-1])
