"""How often a chunk runs the transformer: twice in a step with guidance, once in one without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction


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
