"""Time and memory on a card, or on a CPU in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile


@dataclass(frozen=True)
class Timed:
    """queued_s: until the call returned, which on a card is before its work is done."""

    seconds: float
    queued_s: float


@dataclass(frozen=True)
class Meter:
    device: torch.device

    @property
    def is_card(self) -> bool:
        return self.device.type == "cuda"

    def wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def time(self, run: Callable[[], object]) -> Timed:
        self.wait()
        start = time.perf_counter()
        result = run()
        queued = time.perf_counter() - start
        self.wait()
        del result
        return Timed(time.perf_counter() - start, queued)

    def forget_peaks(self) -> None:
        if self.is_card:
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.reset_peak_host_memory_stats()

    def peaks(self) -> dict[str, int]:
        """Bytes since `forget_peaks`; nothing where there is no card."""
        if not self.is_card:
            return {}
        locked = torch.cuda.host_memory_stats()
        return {
            "peak_allocated": torch.cuda.max_memory_allocated(),
            "peak_reserved": torch.cuda.max_memory_reserved(),
            "peak_page_locked": int(locked.get("allocated_bytes.peak", 0)),
        }

    def idle_share(self, run: Callable[[], object]) -> float:
        """Of the time between the first and the last kernel, what no kernel ran in."""
        kind = ProfilerActivity.CUDA if self.is_card else ProfilerActivity.CPU
        where = "CUDA" if self.is_card else "CPU"
        with profile(activities=[kind]) as seen:
            run()
            self.wait()
        spans = [
            (event.time_range.start, event.time_range.end)
            for event in seen.events()
            if event.device_type.name == where
        ]
        return idle_share(spans)


def idle_share(spans: list[tuple[float, float]]) -> float:
    """0 to 1, of spans (begin, end) in any order."""
    if not spans:
        return 0.0
    busy, reached = 0.0, min(begin for begin, _ in spans)
    first = reached
    for begin, end in sorted(spans):
        busy += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return 1 - busy / (reached - first) if reached > first else 0.0
