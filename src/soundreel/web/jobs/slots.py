"""How many jobs run at once: one a card, one a ComfyUI server, previews by cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one job runs. environ: of its process; settings: what it has of its own."""

    engine: str
    environ: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


class Slots:
    """The free ones of each engine. An engine that is not named has one."""

    def __init__(self, slots: Mapping[str, list[Slot]]) -> None:
        self._lock = threading.Lock()
        self._free = {engine: list(each) for engine, each in slots.items()}

    @classmethod
    def of(cls, url: str, cards: int, previews: int | None) -> Slots:
        """url: ComfyUI servers, comma-separated; previews: None is half of the cores."""
        addresses = [each.strip() for each in url.split(",") if each.strip()]
        count = previews or max(1, (os.cpu_count() or 1) // 2)
        one = cards == 1  # then the job sees the cards as the server does
        return cls(
            {
                "preview": [Slot("preview")] * count,
                "comfyui": [Slot("comfyui", settings={"url": each}) for each in addresses],
                "wan": [
                    Slot("wan", {} if one else {"CUDA_VISIBLE_DEVICES": str(card)})
                    for card in range(cards)
                ],
            }
        )

    def take(self, engine: str) -> Slot | None:
        with self._lock:
            free = self._free.setdefault(engine, [Slot(engine)])
            return free.pop() if free else None

    def give(self, slot: Slot) -> None:
        with self._lock:
            self._free[slot.engine].append(slot)
