"""Plans and parts of a session on the tiny model, without the request that leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import nn

from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan.image.parts import ImageParts
from soundreel.engines.wan.memory.needs import OffloadLevel
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan22_i2v import EXPERTS
from soundreel.types import AudioClip, Chunk, ChunkGeometry, Plan, Request, Shot
from wan.image import twins
from wan.model_folder import TEXT_WIDTH

WIDTH, HEIGHT = 64, 80
PROMPT, NEGATIVE = "a boat at sea", "blurry"


def plan_of(slots: tuple[int, ...], *, kept: int | None = None) -> Plan:
    """Passes of so many generated frames each, and one picture before the first; kept: of the last
    pass, all unless given."""
    request = Request(audio=Path("none.wav"), width=WIDTH, height=HEIGHT, seed=7)
    chunks, first, frame = [], 0, 0
    for index, generated in enumerate(slots):
        given = generated + (index == 0)
        keeps = given if kept is None or index < len(slots) - 1 else kept
        chunks.append(
            Chunk(index, 0, first, generated, 0, frame, keeps, prompt=PROMPT, seed=7 + index)
        )
        first, frame = first + generated, frame + keeps
    shot = Shot(0, 0, frame, PROMPT, NEGATIVE, seed=7)
    seconds = Fraction(frame, 16)
    return Plan(
        request,
        ChunkGeometry(Fraction(16), max(slots), grid=4),
        AudioClip(Path("none.wav"), Fraction(0), seconds, seconds, 48000, 2),
        frame,
        (shot,),
        tuple(chunks),
    )


class SpelledOut(nn.Module):
    """A text encoder whose hidden states are set by the tokens alone."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.table = nn.Embedding(300, TEXT_WIDTH)

    def forward(self, tokens: torch.Tensor) -> object:
        class Output:
            last_hidden_state = self.table(tokens)

        return Output()


def encoded(text: str) -> torch.Tensor:
    """(1, L, width) as the session will have it."""
    return text_encoder().encode(text)


def text_encoder() -> TextEncoder:
    return TextEncoder(SpelledOut(), lambda text: [*text.encode(), 1])


def parts(residence: Residence | None = None) -> ImageParts:
    residence = residence or Residence(torch.device("cpu"), "none")
    return ImageParts(
        text=text_encoder,
        vae=lambda: WanVae(twins.tiny_vae(3)),
        experts={each: partial(twins.expert, seed) for seed, each in enumerate(EXPERTS, 1)},
        device=residence.device,
        dtype=torch.float32,
        resident=residence,
        visit=residence.visit,
    )


def picture(seed: int) -> torch.Tensor:
    """(1, 3, 1, H, W) in -1..1."""
    numbers = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, 1, HEIGHT, WIDTH, generator=numbers) * 2 - 1


LEVELS: Mapping[str, OffloadLevel] = {"none": "none", "model": "model", "block": "block"}
