"""Graphics cards as their makers publish them: memory, rates, the bus.

Sources: NVIDIA Ampere GA102, Ada, and RTX Blackwell GPU architecture white papers (their tables of
specifications), and the data sheets of RTX A6000, L40S, A100 and H100. Tensor rates are dense, with
float32 accumulation. Of cards that are in no white paper's table, the rates are cores x clock from
their product pages, in the ratios that the tables give for their family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from soundreel.errors import InputError, mention

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Shares:
    """What runs of Wan 14B reach of the bfloat16 rate, from low to high, as published."""

    low: float
    high: float
    source: str


_OFFICIAL = "Wan-Video/Wan2.2, README, times on H100 and A100"
_LIGHT = "ModelTC/LightX2V, README, seconds a step"

SHARES = {
    "Ampere": Shares(0.55, 0.61, f"Wan's own code on an A100 55 to 61 % ({_OFFICIAL})"),
    "Hopper": Shares(
        0.35, 0.51, f"on an H100 diffusers 35 % ({_LIGHT}), Wan's own code 41 to 51 % ({_OFFICIAL})"
    ),
    "Ada": Shares(
        0.51,
        0.74,
        f"diffusers on a 4090D 74 % ({_LIGHT}); the lower end is that of Wan's own code on an H100",
    ),
}
"""By family; shares are operations, counted here, over published seconds and rates."""

ANY_FAMILY = Shares(0.35, 0.74, "none for this family: the range of the others")


@dataclass(frozen=True, slots=True)
class Card:
    """memory_gib: as sold; bf16, tf32: dense TFLOP/s of matrix products in bfloat16 and in what
    convolutions in float32 run in; bus_gb: GB/s from main memory, one way (PCI Express x16, of the
    RTX 4060 x8)."""

    name: str
    memory_gib: int
    bf16: float
    tf32: float
    bus_gb: float
    source: str
    driver_names: tuple[str, ...] = ()
    family: str = ""

    @property
    def shares(self) -> Shares:
        return SHARES.get(self.family, ANY_FAMILY)

    @property
    def memory_bytes(self) -> int:
        return self.memory_gib * GIB


PCIE_4, PCIE_5 = 31.5, 63.0  # 16 lanes, 128b/130b (PCI-SIG, base specifications 4.0 and 5.0)

# As nvidia-smi calls them, where that is not the name they are sold under
_A100 = ("A100", "A100-SXM4-80GB", "A100 80GB PCIe")
_H100 = ("H100", "H100 80GB HBM3")

CARDS: tuple[Card, ...] = (
    Card("RTX 3070", 8, 40.7, 20.4, PCIE_4, "product page: 5888 cores, 1.73 GHz", family="Ampere"),
    Card("RTX 4060", 8, 30.2, 15.1, PCIE_4 / 2, "product page: 3072 cores, 2.46 GHz", family="Ada"),
    Card("RTX 3080", 10, 59.5, 29.8, PCIE_4, "product page: 8704 cores, 1.71 GHz", family="Ampere"),
    Card("RTX 3060", 12, 25.5, 12.7, PCIE_4, "product page: 3584 cores, 1.78 GHz", family="Ampere"),
    Card("RTX 4070", 12, 58.4, 29.2, PCIE_4, "product page: 5888 cores, 2.48 GHz", family="Ada"),
    Card("RTX 3090", 24, 71.2, 35.6, PCIE_4, "GA102 white paper", family="Ampere"),
    Card("RTX 4080", 16, 97.5, 48.7, PCIE_4, "Ada white paper", family="Ada"),
    Card("RTX 4090", 24, 165.2, 82.6, PCIE_4, "Ada white paper", family="Ada"),
    Card("RTX 5090", 32, 209.5, 104.8, PCIE_5, "RTX Blackwell white paper", family="Blackwell"),
    Card("RTX A6000", 48, 154.8, 77.4, PCIE_4, "GA102 white paper", family="Ampere"),
    Card("L40S", 48, 362.05, 183.0, PCIE_4, "L40S data sheet", family="Ada"),
    Card("A100 80GB", 80, 312.0, 156.0, PCIE_4, "A100 data sheet", _A100, family="Ampere"),
    Card("H100 SXM", 80, 989.4, 494.7, PCIE_5, "H100 white paper", _H100, family="Hopper"),
)


def card_named(text: str) -> Card:
    """The card of that name, however it is written ("rtx4090", "NVIDIA GeForce RTX 4090").

    Raises InputError listing the known ones.
    """
    card = known_card(text)
    if card is not None:
        return card
    raise InputError.about(
        {"gpu": text},
        "not a card that is known here",
        hint=f"known: {', '.join(card.name for card in CARDS)}; or give the memory: "
        f"{mention(gpu='24GB')}",
    )


def known_card(text: str) -> Card | None:
    """As `card_named`; None where it is not known: a 4080 SUPER or a laptop's 4090 is none of
    these."""
    wanted = _plain(text)
    return next((card for card in CARDS if wanted in _spellings(card)), None)


def _spellings(card: Card) -> set[str]:
    names = (card.name, card.name.removeprefix("RTX "), *card.driver_names)
    return {_plain(name) for name in names}


def memory_named(text: str) -> int | None:
    """Bytes of "24GB" or "24 GiB"; None where it is not a size. Cards are sold in GiB."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*gi?b\s*", text, re.IGNORECASE)
    return int(float(match[1]) * GIB) if match else None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower().replace("nvidia", "").replace("geforce", ""))
