"""What flows along the links of a graph in the fake server, and the time law of its S2V nodes.

Audio bucket b is the sound in [b/16, (b+1)/16) s. Latent i of a chunk whose `video_latent` holds
L latents stands for buckets 4L + 4i - 3 .. 4L + 4i; decoded plainly, latent j of a row gives
pictures 4j - 3 .. 4j, and latent 0 one picture (all measured on a real server by perturbation).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comfyui.fake.pictures import Code, draw, loudness_of

BUCKET_RATE = 16
FRAMES_PER_LATENT = 4
MOTION_LATENTS = 19
CHANNELS = 16
_BUCKET, _PITCH, _LOUDNESS, _TEXTURE, _DIGEST, _REAL = 0, 4, 8, 12, 13, 14
SILENT_BUCKET = (0, 0)


class NodeError(Exception):
    """A node failed: exception type and message as the server reports them."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Sound:
    """samples: (channels, n) float32."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True)
class Heard:
    """buckets: (n, 2) ints, pitch and loudness of each 1/16 s."""

    buckets: np.ndarray


@dataclass(frozen=True)
class Conditioning:
    """text and everything that an S2V node added. audio: (4T, 3) bucket number, pitch, loudness,
    or None (a chunk past the end of the sound). motion: the last latents before, or None."""

    text: str
    audio: np.ndarray | None = None
    image: str = ""
    motion: np.ndarray | None = None


def hear(sound: Sound) -> Heard:
    """wav2vec2 normalises each upload as a whole, so loudness is relative to the upload's own."""
    mono = sound.samples.mean(axis=0).astype(np.float64)
    if mono.size < sound.rate // 1000:
        raise NodeError(
            "RuntimeError",
            "Calculated padded input size per channel: (1). Kernel size: (10). "
            "Kernel size can't be greater than actual input size\n",
        )
    mono = (mono - mono.mean()) / np.sqrt(mono.var() + 1e-7)
    count = -(-mono.size * BUCKET_RATE // sound.rate)
    buckets, level = [], 0.0
    for b in range(count):
        begin, end = (-(-k * sound.rate // BUCKET_RATE) for k in (b, b + 1))
        part = mono[begin:end]
        now = _loudness(part)
        level = max(now, level * 0.85)  # rises at once, falls slowly: an onset is seen where it is
        buckets.append((_pitch(part, sound.rate), round(level)))
    return Heard(np.array(buckets, np.int64))


def _loudness(part: np.ndarray) -> float:
    rms = float(np.sqrt(np.mean(part**2))) if part.size else 0.0
    return float(np.clip((20 * np.log10(rms + 1e-9) + 50) / 75 * 255, 0, 255))


def _pitch(part: np.ndarray, rate: int) -> int:
    crossings = np.count_nonzero(np.diff(np.signbit(part)))
    return min(255, round(crossings / 2 / max(part.size / rate, 1e-9) / 32))


def chunk_audio(heard: Heard, latents: int, offset: int) -> np.ndarray | None:
    """The buckets that a node gives to a chunk of `latents`, as the real node cuts them."""
    batch = latents * FRAMES_PER_LATENT
    total = (len(heard.buckets) // batch + 1) * batch
    numbers = np.arange(total)[offset : offset + batch]
    if len(numbers) == 0:
        return None
    known = numbers < len(heard.buckets)
    values = np.zeros((len(numbers), 2), np.int64)
    values[known] = heard.buckets[numbers[known]]
    return np.column_stack([numbers, values])


def brightness_course(given: Sequence[np.ndarray | None], length: int) -> np.ndarray:
    """For each picture of a pass, in place of a sound: its number, no pitch, and the brightness
    on the way from the first given picture to the last; without one it is dark there."""
    first, last = (0 if each is None else loudness_of(float(each.mean())) for each in given)
    if given[1] is None:
        last = first // 2
    numbers = np.arange(length + FRAMES_PER_LATENT - 1)
    share = np.minimum(numbers / max(length - 1, 1), 1)
    levels = np.rint(first + (last - first) * share).astype(np.int64)
    return np.column_stack([numbers, np.zeros_like(numbers), levels])


def empty_latent(width: int, height: int, length: int) -> np.ndarray:
    """(16, T, height/8, width/8) float32 zeros."""
    return np.zeros((CHANNELS, (length - 1) // 4 + 1, height // 8, width // 8), np.float32)


def sample(
    latent: np.ndarray, positive: Conditioning, negative: Conditioning, recipe: object
) -> np.ndarray:
    """A latent of the same shape that depends on all that it should depend on.

    recipe: model, seed, steps, ... anything that JSON can hold.
    """
    count = latent.shape[1]
    if latent.shape[2] % 2 or latent.shape[3] % 2:
        raise NodeError(
            "RuntimeError",
            f"The size of tensor a ({latent.shape[3] // 2 + 1}) must match the size of tensor b "
            f"({latent.shape[3] // 2}) at non-singleton dimension 4\n",
        )
    audio = positive.audio
    if audio is not None and len(audio) < count * FRAMES_PER_LATENT:
        raise NodeError(
            "EinopsError",
            " Error while processing rearrange-reduction pattern "
            f"({len(audio) // 4} audio tokens for {count} latents)\n",
        )
    seed = hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode())
    for part in (positive.text, negative.text, positive.image):
        seed.update(part.encode() + b"\0")
    if audio is not None:
        seed.update(np.ascontiguousarray(audio).tobytes())
    if positive.motion is not None:
        seed.update(np.ascontiguousarray(positive.motion[:, -MOTION_LATENTS:]).tobytes())
    made = np.empty(latent.shape, np.float32)
    for i in range(count):
        made[:, i] = _latent_frame(seed.digest(), i, audio, latent.shape[2:])
    return made


def _latent_frame(
    digest: bytes, i: int, audio: np.ndarray | None, size: tuple[int, ...]
) -> np.ndarray:
    own = hashlib.sha256(digest + struct.pack(">I", i)).digest()
    frame = np.zeros((CHANNELS, *size), np.float32)
    for k in range(FRAMES_PER_LATENT):
        if audio is None:
            number, pitch, loudness = -FRAMES_PER_LATENT, *SILENT_BUCKET
        else:
            at = 4 * i - 3 + k
            number, pitch, loudness = audio[max(at, 0)]
            number += min(at, 0)
        frame[_BUCKET + k], frame[_PITCH + k], frame[_LOUDNESS + k] = number, pitch, loudness
    rng = np.random.default_rng(np.frombuffer(own, np.uint64))
    frame[_TEXTURE] = rng.uniform(-1, 1, size)
    frame[_DIGEST] = own[0]
    frame[_REAL] = 1
    return frame


def decode(latents: np.ndarray) -> np.ndarray:
    """(4T - 3, H, W, 3) uint8. A picture also depends on the two latents before its own."""
    height, width = latents.shape[2] * 8, latents.shape[3] * 8
    pictures = []
    for j in range(latents.shape[1]):
        context = hashlib.sha256(
            b"".join(latents[:, k].tobytes() for k in range(max(j - 2, 0), j))
        ).digest()[0]
        for k in range(FRAMES_PER_LATENT - 1 if j == 0 else 0, FRAMES_PER_LATENT):
            frame = latents[:, j]
            code = Code(
                bucket=int(frame[_BUCKET + k, 0, 0]),
                pitch=int(frame[_PITCH + k, 0, 0]),
                loudness=int(frame[_LOUDNESS + k, 0, 0]),
                digest=int(frame[_DIGEST, 0, 0]),
                context=context,
                baked=j == 0,
            )
            pictures.append(draw(code, height, width, frame[_TEXTURE]))
    return np.stack(pictures)


def blend(pictures: np.ndarray, factor: int) -> np.ndarray:
    """Frame interpolation: (n - 1) * factor + 1 pictures."""
    if len(pictures) < 2:
        return pictures
    out = []
    for a, b in zip(pictures[:-1].astype(int), pictures[1:].astype(int), strict=True):
        out += [((factor - k) * a + k * b) // factor for k in range(factor)]
    return np.stack([*out, pictures[-1]]).astype(np.uint8)


def latent_file(latent: np.ndarray) -> bytes:
    """A `.latent` file: safetensors with `latent_tensor` (1, C, T, h, w) and a version mark."""
    data = np.ascontiguousarray(latent[None], "<f4").tobytes()
    header = {
        "__metadata__": {"prompt": "{}"},
        "latent_format_version_0": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
        "latent_tensor": {
            "dtype": "F32",
            "shape": [1, *latent.shape],
            "data_offsets": [0, len(data)],
        },
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def read_latent_file(data: bytes) -> np.ndarray:
    """(C, T, h, w). Without the version mark the values are scaled, as old files need."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    about = header["latent_tensor"]
    begin, end = about["data_offsets"]
    if about["dtype"] != "F32" or end - begin != 4 * int(np.prod(about["shape"])):
        raise NodeError("RuntimeError", "invalid latent file\n")
    values = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4")
    scale = 1.0 if "latent_format_version_0" in header else 1 / 0.18215
    return (values.reshape(about["shape"])[0] * scale).astype(np.float32)
