"""How many jobs run at once: one a card, one a ComfyUI server, previews by cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one job runs. environ: of its process; settings: what it has of its own."""

    engine: str
    environ: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


_CARDS = "CUDA_VISIBLE_DEVICES"


def cards_here() -> list[str]:
    """The names of the NVIDIA cards that this process may use, as that variable has them; without
    one of their driver's files, none."""
    if told := os.environ.get(_CARDS):
        return [name.strip() for name in told.split(",") if name.strip()]
    return [str(number) for number, _ in enumerate(_DRIVER.glob("*"))]


_DRIVER = Path("/proc/driver/nvidia/gpus")
"""A folder for each card, on Linux."""


class Slots:
    """The free ones of each engine. An engine that is not named has one."""

    def __init__(self, slots: Mapping[str, list[Slot]]) -> None:
        self._lock = threading.Lock()
        self._free = {engine: list(each) for engine, each in slots.items()}

    @classmethod
    def of(cls, url: str, cards: int | None, previews: int | None) -> Slots:
        """url: ComfyUI servers, comma-separated. cards: at most so many of those that are here;
        previews: None is half of the cores."""
        addresses = [each.strip() for each in url.split(",") if each.strip()]
        count = previews or max(1, (os.cpu_count() or 1) // 2)
        found = cards_here()[:cards]
        return cls(
            {
                "preview": [Slot("preview")] * count,
                "comfyui": [Slot("comfyui", settings={"url": each}) for each in addresses],
                "wan": [Slot("wan", {_CARDS: card}) for card in found] or [Slot("wan")],
            }
        )

    def take(self, engine: str) -> Slot | None:
        with self._lock:
            free = self._free.setdefault(engine, [Slot(engine)])
            return free.pop() if free else None

    def give(self, slot: Slot) -> None:
        with self._lock:
            self._free[slot.engine].append(slot)
