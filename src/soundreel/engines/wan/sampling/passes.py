"""How often a chunk runs the transformer: two or three times in a step with guidance, once in one
without, and not at all in a step that a step cache answers (`step_cache`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Guidance:
    """A pass that guidance leads away from: to `scale` times the distance between it and the pass
    before it.

    keeps: what it is given. "prompt" is the prompt without the sound, "nothing" the negative prompt
    without the sound, which Wan's own guidance takes alone, for both (wan/speech2video.py).
    """

    keeps: Literal["prompt", "nothing"]
    scale: float


@dataclass(frozen=True, slots=True)
class Interval:
    """The steps in which guidance acts, as shares of all steps, 0 <= start < end <= 1.

    Guidance in a limited interval is arXiv 2404.07724's; it counts in noise levels. Shares of the
    steps are what diffusers' guiders take (`start`, `stop`), and mean the same on every ladder.
    """

    start: Fraction = Fraction(0)
    end: Fraction = Fraction(1)

    def guided(self, steps: int) -> tuple[bool, ...]:
        """Of each step, whether it lies inside: rounded down at both ends, as in diffusers."""
        first, stop = int(self.start * steps), int(self.end * steps)
        return tuple(first <= step < stop for step in range(steps))


_SHARE = r"(\d(?:\.\d{0,9})?|\.\d{1,9})"


def parse_interval(text: str) -> Interval:
    """START:END. Raises ValueError."""
    match = re.fullmatch(f"{_SHARE}:{_SHARE}", text.strip())
    if match is None:
        raise ValueError(text)
    interval = Interval(Fraction(match[1]), Fraction(match[2]))
    if not interval.start < interval.end <= 1:
        raise ValueError(text)
    return interval


# --- step caches --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caching:
    """How far a step cache goes.

    threshold: the change of the velocity, as a share of it, that may add up before a step is
    computed again. speedup: of sampling, as published in `source`.
    """

    threshold: float
    speedup: float
    source: str


CACHES: Mapping[str, Caching] = {
    # H-EmbodVis/EasyCache, EasyCache4Wan2.2: 720p on an H20, 5729 s become 2603 s.
    "fast": Caching(0.06, 2.2, "EasyCache on Wan2.2-T2V-A14B, 40 steps"),
    # The same, EasyCache4Wan2.1/easycache_generate.py; the default of ComfyUI's EasyCache node too.
    "faster": Caching(0.2, 3.0, "EasyCache on Wan2.1, 50 steps"),
}
"""By the words of the option `cache`; thresholds are their authors'."""

KEPT_SHARE = Fraction(1, 5)
"""Of the steps, from the first on, that are always computed: the authors keep 7 of 40 and 10 of 50.
Little is settled there, and what is reused would be wrong."""

LEAST_STEPS = 10
"""With fewer, neighbours differ too much for one to stand for the other."""


def always_computed(steps: int) -> tuple[bool, ...]:
    """Of each step, whether no cache ever answers it: the first ones and the last."""
    kept = math.ceil(KEPT_SHARE * steps)
    return tuple(step < kept or step == steps - 1 for step in range(steps))
