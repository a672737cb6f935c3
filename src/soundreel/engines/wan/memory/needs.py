"""What each stage of a job needs at the model's published sizes: weights, activations, operations.

By formulas, so that no torch is needed and nothing is waited for. They lie in `needs.json`, which
`scripts/needs_table.py` makes from what `counted` counts. A formula is exact: it takes some sizes
of the work (tokens, latents), and a peak is the greatest of a few sums of these, one for each place
of the code where it may be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cache
from importlib.resources import files
from math import prod
from operator import floordiv
from typing import Any, Literal

from soundreel.engines.wan.encoders.tiles import TileSize, Tiling, tiles_of
from soundreel.engines.wan.model.names import AUDIO_INJECT_LAYERS
from soundreel.engines.wan22 import MOTION_LATENTS, MOTION_SCALES
from soundreel.timeline.grid import latents_for

OffloadLevel = Literal["none", "model", "block"]

OFFLOAD_LEVELS: tuple[OffloadLevel, ...] = ("none", "model", "block")
"""From fast to frugal; `offload` says what they are."""

LAYERS = 40
"""Blocks of the 14B transformer."""

Sizes = tuple[int, ...]
"""What a formula's sums are of; the first is 1."""

DIM, SOUND_TOKENS = 5120, 5
"""Of the 14B: its width, and the tokens of a latent frame's sound that are looked at."""

SUMMED = 6
"""Bytes of each number that sound is added to at once, where what one speaker adds waits for that
of the next: the float32 sum, and the share beside it. Counted: 4 or 6."""

_SPACE = 8  # pixels per latent
_PATCH = 2  # latents per token, in height and in width
_LIKE_ANY = 3  # pieces from which one more changes no formula; so for latent frames

VOCABULARY = 256_384 * 4096
"""Numbers in UMT5-XXL's table of tokens."""

DECODER_STATE = 151_328
"""Numbers for each place of a latent picture that the decoder's convolutions saw last."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a model as it is loaded. all: everything; rest: without the blocks that can be
    streamed; block: the largest of these (0: none); own: what is converted when it is loaded, so
    that it lies in memory of our own instead of in the file's pages."""

    all: int
    rest: int
    block: int
    own: int = field(default=0, compare=False)

    def resident(self, level: OffloadLevel) -> int:
        """Bytes on the device while the model is used: of streamed blocks two, the one that
        computes and the next."""
        return self.rest + 2 * self.block if level == "block" and self.block else self.all

    def with_loras(self, size: int) -> Weights:
        """With `size` bytes of LoRAs, evenly over the transformer's blocks."""
        return replace(self, all=self.all + size, block=self.block + size // LAYERS)


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats of the two big models, as `files.formats` names them.

    lora_bytes: of the transformer's LoRAs, in 16 bits as they lie on the device.
    transformer_file, text_file: of files at hand, by their headers; None is what is published in
    "fp8_scaled" or 16 bits.
    in_turn: of a second transformer, which is on the device when the first is not, and no larger.
    audio: whether wav2vec2 is used.
    """

    transformer: str = "fp8_scaled"
    text_encoder: str = "fp8_scaled"
    lora_bytes: int = 0
    transformer_file: Weights | None = None
    text_file: Weights | None = None
    in_turn: Weights | None = None
    audio: bool = True

    @property
    def transformer_weights(self) -> Weights:
        """Without LoRAs."""
        return self.transformer_file or transformer_weights(self.transformer)

    @property
    def text_weights(self) -> Weights:
        return self.text_file or text_weights(self.text_encoder)


@dataclass(frozen=True, slots=True)
class StageNeeds:
    """weights, activations: bytes on the device; flops: operations of one run of the stage;
    half: whether they run in bfloat16 (else in float32); bus: bytes copied to the device."""

    name: str
    weights: int
    activations: int
    flops: int
    half: bool
    bus: int = 0

    @property
    def peak(self) -> int:
        return self.weights + self.activations


@dataclass(frozen=True, slots=True)
class Workload:
    """What is made: pictures of width x height, `frames` of them in a pass; which conditions there
    are; passes of a sampling step, which are more than one with guidance, and whose sounds the
    first of them hears; whether the decoder is carried from chunk to chunk; seconds of sound
    encoded at once; whether self-attention takes its queries in slices."""

    width: int
    height: int
    frames: int
    reference: bool = True
    motion: bool = True
    passes: int = 2
    speakers: int = 1
    carried: bool = False
    sound_s: int = 60
    in_slices: bool = False

    @property
    def pass_table(self) -> str:
        """Which formulas a pass of its transformer has."""
        return "step in slices" if self.in_slices else "step"

    @property
    def ways_to_attend(self) -> tuple[Workload, ...]:
        """The same work with attention to all at once, and in slices where it can be."""
        return self, replace(self, in_slices=True)

    @property
    def latents(self) -> tuple[int, int, int]:
        """(T, h, w)."""
        return latents_for(self.frames), self.height // _SPACE, self.width // _SPACE

    @property
    def encoded(self) -> int:
        """Latent frames that are made of pictures at once, at most."""
        return MOTION_LATENTS if self.motion else 1

    def stages(
        self, precision: Precision, level: OffloadLevel, tiling: Tiling
    ) -> Iterator[StageNeeds]:
        """Every stage of a job, for one chunk of this sort."""
        stays = level == "none"
        transformer = precision.transformer_weights.with_loras(precision.lora_bytes)
        text, vae, audio = (
            precision.text_weights,
            vae_weights().all,
            audio_weights().all,
        )
        beside_vae = vae if stays else 0
        counted = text_count(precision.text_encoder)
        yield StageNeeds(
            "text", text.resident(level), counted.peak_bytes, counted.flops, True, text.all
        )
        if self.reference:
            counted = encode_count(self, 1, tiling.encode)
            yield StageNeeds("reference", vae, counted.peak_bytes, counted.flops, False, vae)
        counted = sound_count(self.sound_s)
        yield StageNeeds(
            "sound", audio + beside_vae, counted.peak_bytes, counted.flops, False, audio
        )
        counted = step_count(self, precision.transformer)
        carried = decoder_state_bytes(self, tiling.decode)
        stay, move = (carried, 0) if stays else (0, 2 * carried)
        sampling = transformer.resident(level) + beside_vae + stay
        bus = transformer.all - transformer.rest if level == "block" else 0
        yield StageNeeds("sampling", sampling, counted.peak_bytes, counted.flops, True, bus)
        beside = transformer.all if stays else 0
        latents = self.latents[0]
        if not self.carried:
            latents += MOTION_LATENTS if self.motion else 1
        counted = decode_count(self, latents, tiling.decode)
        yield StageNeeds("decode", vae + beside, counted.peak_bytes, counted.flops, True, move)
        if self.motion:
            counted = encode_count(self, MOTION_LATENTS, tiling.encode)
            beside += stay
            yield StageNeeds("motion", vae + beside, counted.peak_bytes, counted.flops, False)


@dataclass(frozen=True, slots=True)
class Count:
    """peak_bytes: most that lives at once of what a run makes itself; held_bytes: what of it lives
    on in the result; flops: a multiplication and an addition are two."""

    peak_bytes: int
    held_bytes: int
    flops: int


# --- weights ----------------------------------------------------------------------------------


def transformer_weights(number_format: str) -> Weights:
    """The 14B transformer, in "fp8_scaled" or 16 bits; `weighed` says it of any file."""
    return published_weights("transformer", number_format)


def text_weights(number_format: str) -> Weights:
    """UMT5-XXL's encoder, so too; the published file in fp8_scaled has its vocabulary in fp16."""
    return published_weights("text_encoder", number_format, 2 * VOCABULARY)


def published_weights(model: str, number_format: str, fp16: int = 0) -> Weights:
    """Of a big model, by its name in the table. fp16: bytes in fp16 of the file in fp8_scaled;
    what is computed in is bfloat16."""
    weights = Weights(**_table()["weights"][model][row_of(number_format)])
    if row_of(number_format) == "16 bits":
        fp16 = 0 if number_format == "bf16" else weights.all
    return replace(weights, own=fp16)


def vae_weights() -> Weights:
    """The decoder in 16 bits, the encoder in 32."""
    return Weights(**_table()["weights"]["vae"])


def audio_weights() -> Weights:
    return Weights(**_table()["weights"]["audio_encoder"])


def row_of(number_format: str) -> str:
    """The row of the table for a format as `files.formats` names it.

    16 bits are one. "unpacked" are all that are made from less than a number's own bytes and its
    scale: counted for nvfp4, which takes most between; GGUF and int8 take up to 0.15 GiB less.
    """
    if number_format.startswith("fp8"):
        return "fp8_scaled"
    return "16 bits" if number_format in ("bf16", "fp16", "fp32", "16 bits") else "unpacked"


# --- activations and operations ---------------------------------------------------------------


def step_count(workload: Workload, number_format: str) -> Count:
    """One pass of the transformer, with what the conditions of all passes of its step hold.

    One pass hears all speakers, the others, without sound, take what one takes: operations are the
    mean over the passes, the peak is that of the first.
    """
    sizes, pieces = step_sizes(workload, **_table()["piece"])
    counted = _count(_table()[workload.pass_table][row_of(number_format)][pieces], sizes)
    more = _more_speakers(workload.speakers - 1, sizes)
    others = (workload.passes - 1) * counted.held_bytes
    return Count(
        counted.peak_bytes + others + more.peak_bytes,
        counted.held_bytes + others + more.held_bytes,
        counted.flops + more.flops // workload.passes,
    )


def _more_speakers(number: int, sizes: Sizes) -> Count:
    """What so many further ones add to the pass that hears them. Operations and what is held are
    exact; the peak is no less than it will be, and at most a fifth more."""
    if number == 0:
        return Count(0, 0, 0)
    _, frames, noisy, _, _, injected, _ = sizes
    product = 2 * DIM**2  # of a token with a square layer
    norm, cross = 2 * frames * product, 2 * (noisy + SOUND_TOKENS * frames) * product
    flops = norm + cross + 4 * noisy * SOUND_TOKENS * DIM
    held = number * 4 * (frames + MOTION_LATENTS) * (SOUND_TOKENS + 1) * DIM
    return Count(held + SUMMED * injected * DIM, held, number * len(AUDIO_INJECT_LAYERS) * flops)


def pieces_of_pass(workload: Workload) -> int:
    """That the tokens are worked on in."""
    piece = _table()["piece"]
    (_, _, _, total, *_), _ = step_sizes(workload, **piece)
    return int(-(-total // piece["tokens"]))


def step_sizes(workload: Workload, tokens: int, injected: int) -> tuple[Sizes, str]:
    """What the formulas of a pass take, and which of them: "1", "2" or "3" pieces or more.

    tokens, injected: of a piece of all tokens, and of the noisy ones that sound goes into.
    """
    frames, *size = workload.latents
    frame = _tokens(size, (_PATCH, _PATCH))
    noisy = frames * frame
    total = noisy + (frame if workload.reference else 0)
    if workload.motion:
        total += sum(s.frames // s.kernel[0] * _tokens(size, s.kernel[1:]) for s in MOTION_SCALES)
    at_once = min(frames, max(1, injected // frame))
    pieces = min(-(-total // tokens), _LIKE_ANY)
    return (1, frames, noisy, total, at_once, at_once * frame, total**2), str(pieces)


def _tokens(size: Sequence[int], kernel: Sequence[int]) -> int:
    return prod(map(floordiv, size, kernel))


def decode_count(workload: Workload, latents: int, tile: TileSize | None) -> Count:
    """`latents` latent frames to pictures."""
    return _vae_count("decode", workload, latents, tile)


def decoder_state_bytes(workload: Workload, tile: TileSize | None) -> int:
    """What the decoder hands on to the next chunk, in 16 bits; 0 where it hands on nothing."""
    _, height, width = workload.latents
    tiles = tiles_of(height, width, tile)
    rows, columns = tiles[0]
    places = len(tiles) * rows.stop * columns.stop
    return places * DECODER_STATE * 2 if workload.carried else 0


def encode_count(workload: Workload, latents: int, tile: TileSize | None) -> Count:
    """Pictures, four at a time from main memory, to `latents` latent frames."""
    return _vae_count("encode", workload, latents, tile)


def _vae_count(way: str, workload: Workload, latents: int, tile: TileSize | None) -> Count:
    """From the formulas for 1 to 4 latent frames to any number: each one after the third adds the
    same."""
    _, height, width = workload.latents
    tiles = tiles_of(height, width, tile)
    rows, columns = tiles[0]
    sizes = vae_sizes(rows.stop, columns.stop)
    few, more = (
        _count(_table()[way][str(min(latents, n))], sizes) for n in (_LIKE_ANY, _LIKE_ANY + 1)
    )
    later = max(0, latents - _LIKE_ANY)
    peak, held, flops = (
        a + later * (b - a) for a, b in zip(astuple(few), astuple(more), strict=True)
    )
    return Count(peak, held, flops * len(tiles))


def vae_sizes(height: int, width: int) -> Sizes:
    """What the formulas of the VAE take, of latents that it works on at once."""
    return 1, height, width, height * width, (height * width) ** 2


def text_count(number_format: str) -> Count:
    """One prompt of the greatest length."""
    return _count(_table()["text"][row_of(number_format)], (1,))


def sound_count(seconds: int) -> Count:
    """One pass of wav2vec2, all hidden states kept."""
    return _count(_table()["sound"][str(seconds)], (1,))


def _count(formula: Mapping[str, Sequence[Sequence[int]]], sizes: Sizes) -> Count:
    def greatest(sums: Sequence[Sequence[int]]) -> int:
        return max(sum(n * size for n, size in zip(each, sizes, strict=True)) for each in sums)

    return Count(*(greatest(formula[name]) for name in ("peak", "held", "flops")))


@cache
def _table() -> Mapping[str, Any]:
    text = files(__package__).joinpath("needs.json").read_text(encoding="utf-8")
    table: Mapping[str, Any] = json.loads(text)
    return table
