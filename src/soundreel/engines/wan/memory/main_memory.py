"""Main memory that a job takes: what is its own, and what files it maps.

Weights stay mapped from their files: the system keeps them in memory as long as there is room, and
reads them again where there is not. Own memory cannot be given back; page-locked memory cannot
even be swapped.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.fit import gib
from soundreel.engines.wan.memory.needs import OffloadLevel, Precision, Weights
from soundreel.errors import EngineUnavailable
from soundreel.events import Notice, RunControl
from soundreel.types import Check

PROGRAM = 3 * 2**30
"""Python, torch with CUDA's libraries, and a chunk's pictures. Assumed."""

SYSTEM = 2 * 2**30
"""Left to the rest of the machine. Assumed."""

LEAST = 8 * 2**30
"""Bytes with which a job works whose weights are mapped, at the lowest level."""


@dataclass(frozen=True, slots=True)
class MainMemory:
    """Bytes. own: of the process itself, locked ones among them; mapped: files that are read."""

    own: int
    locked: int
    mapped: int

    @property
    def least(self) -> int:
        """Of a machine on which the job works."""
        return self.own + SYSTEM

    def told(self, total: int | None) -> tuple[str, str]:
        """A line of the plan. total: of the machine that is planned for, where it is known."""
        text = f"{gib(self.own)} of its own ({gib(self.locked)} page-locked)"
        text += f", {gib(self.mapped)} mapped from files"
        if total is None:
            return "main memory", text
        if total < self.least:
            return "main memory", f"{text}: too much for the {gib(total)} of this machine"
        if total < self.least + self.mapped:
            text += f": more than the {gib(total)} of this machine hold, so files are read again"
        return "main memory", text


def main_memory(precision: Precision, level: OffloadLevel, state: int = 0) -> MainMemory:
    """At the greediest moment, which is sampling or the text encoder before it.

    state: bytes that the decoder carries over from chunk to chunk; at level none on the device.
    """
    transformers = _of(precision.transformer_weights, level)
    beside = precision.lora_bytes
    if precision.in_turn is not None:
        other = _of(precision.in_turn, level)
        own = transformers.own + other.own - other.locked  # one is streamed at a time
        transformers = MainMemory(own, transformers.locked, transformers.mapped + other.mapped)
        beside *= 2
    if precision.audio:  # it comes after the text encoder, and stays
        beside += needs.audio_weights().all
    transformers = replace(transformers, own=transformers.own + beside)
    each = [transformers, _of(precision.text_weights, level)]
    greatest = max(each, key=lambda memory: (memory.own, memory.mapped))
    vae = needs.vae_weights().all  # as wav2vec2, no pages of its file, but a copy
    own = PROGRAM + vae + greatest.own + (0 if level == "none" else state)
    return MainMemory(own, greatest.locked, max(memory.mapped for memory in each))


def _of(weights: Weights, level: OffloadLevel) -> MainMemory:
    """torch locks powers of two."""
    locked = 2 * _power_of_two(weights.block) if level == "block" else 0
    return MainMemory(locked + weights.own, locked, weights.all - weights.own)


def _power_of_two(size: int) -> int:
    return 1 << max(0, size - 1).bit_length() if size else 0


def check_main_memory(needed: MainMemory, total: int | None, control: RunControl) -> None:
    """Raises EngineUnavailable where the job's own memory is more than the machine's; more than
    it holds of mapped files is said."""
    if total is None or total >= needed.least + needed.mapped:
        return
    name, text = needed.told(total)
    if total < needed.own:
        raise EngineUnavailable(
            f"{name}: {text}",
            hint="take fp8_scaled or bf16 weights, which are mapped: soundreel models pull",
        )
    control.emit(Notice(f"{name}: {text}"))


def memory_check(total: int | None) -> Check:
    """A line of the doctor. total: of this machine, None where it is not known."""
    found = "not known" if total is None else f"{total / 2**30:.1f} GiB"
    enough = total is None or total >= LEAST
    hint = (
        f"a job takes {LEAST / 2**30:.0f} GiB, and more with fp16 weights: soundreel plan says it"
    )
    return Check("main memory", enough, found, hint)


def total_memory() -> int | None:
    """Bytes of this machine, within the limit of its container; None where it cannot be asked."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    limit = _container_limit()
    return total if limit is None else min(total, limit)


def _container_limit() -> int | None:
    """Of Linux control groups, version 2."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):  # none, or "max"
        return None
