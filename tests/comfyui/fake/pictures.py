"""The pictures of the fake server: each shows which sound drove it, and from which latent it came.

Three rows of code blocks stand at the top, the rest is grey, as bright as the sound is loud. A bit
is a block of 4 x 8 pixels, its halves brighter and darker or the other way round, so that the mean
says nothing and x264 cannot wipe it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BITS = 16
_BLOCK_WIDTH, _BLOCK_HEIGHT, _SWING = 4, 8, 20
ROWS = 3
INDEX_OFFSET = 64
"""Bucket numbers may be negative (before the sound begins)."""


@dataclass(frozen=True)
class Code:
    """bucket: 1/16 s of the uploaded sound that drove this picture. pitch: of that sound, in steps
    of 32 Hz (0 is silence). loudness: 0..255, a log scale. digest: of everything that went into the
    latent (seed, prompts, image, sound, motion). context: of the latents decoded before it.
    baked: the first picture of a decode, which real models overbake.
    """

    bucket: int
    pitch: int
    loudness: int
    digest: int
    context: int
    baked: bool


def loudness_of(brightness: float) -> int:
    """The loudness of a picture that is so bright in its grey."""
    return int(np.clip(round((brightness - 16) * 255 / 220), 0, 255))


def draw(code: Code, height: int, width: int, texture: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8. texture: (h, w) small numbers that make each latent look unlike."""
    grey = 16 + code.loudness * 220 // 255
    picture = np.full((height, width), grey, np.int16)
    rough = np.kron(texture, np.ones((height // texture.shape[0], width // texture.shape[1])))
    picture += np.rint(rough * 3).astype(np.int16)
    gray = (code.bucket + INDEX_OFFSET) ^ ((code.bucket + INDEX_OFFSET) >> 1)
    words = (gray, code.pitch << 8 | code.loudness, code.digest << 8 | code.context)
    for row, word in enumerate(words):
        for bit in range(BITS):
            _draw_bit(picture, row, bit, bool(word >> bit & 1))
    rgb = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    if code.baked:
        rgb[-8:, -8:] = (255, 0, 0)
    return rgb


def read_code(rgb: np.ndarray) -> Code:
    """What `draw` wrote, also after a lossy codec."""
    plane = rgb.astype(np.int16).mean(axis=2)
    gray, sound, origin = (
        sum(_read_bit(plane, row, bit) << bit for bit in range(BITS)) for row in range(ROWS)
    )
    number = gray
    for shift in (8, 4, 2, 1):
        number ^= number >> shift
    red, green, _ = rgb[-6:-2, -6:-2].reshape(-1, 3).astype(int).mean(axis=0)
    return Code(
        bucket=number - INDEX_OFFSET,
        pitch=sound >> 8,
        loudness=sound & 255,
        digest=origin >> 8,
        context=origin & 255,
        baked=bool(red - green > 100),
    )


def _place(row: int, bit: int) -> tuple[int, int]:
    return row * _BLOCK_HEIGHT, bit * _BLOCK_WIDTH


def _draw_bit(picture: np.ndarray, row: int, bit: int, value: bool) -> None:
    y, x = _place(row, bit)
    middle, half = 128, _BLOCK_HEIGHT // 2
    swing = _SWING if value else -_SWING
    picture[y : y + half, x : x + _BLOCK_WIDTH] = middle + swing
    picture[y + half : y + _BLOCK_HEIGHT, x : x + _BLOCK_WIDTH] = middle - swing


def _read_bit(plane: np.ndarray, row: int, bit: int) -> int:
    y, x = _place(row, bit)
    half = _BLOCK_HEIGHT // 2
    top = plane[y : y + half, x : x + _BLOCK_WIDTH].mean()
    bottom = plane[y + half : y + _BLOCK_HEIGHT, x : x + _BLOCK_WIDTH].mean()
    return int(top > bottom)
