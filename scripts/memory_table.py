"""The table of docs/models.md: what runs how on which card. `--write` puts it into the page.

python scripts/memory_table.py [--write]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from soundreel.engines.wan.memory.cards import Card, card_named
from soundreel.engines.wan.memory.estimate import stage_seconds
from soundreel.engines.wan.memory.fit import RESERVE, Fit, Precision, fit, gib, remedies
from soundreel.engines.wan.memory.needs import Workload

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- memory table: begin -->", "<!-- memory table: end -->"

CARDS = ("RTX 3060", "RTX 4080", "RTX 4090", "RTX 5090", "L40S", "H100 SXM")
SIZES = ((480, 832), (832, 1216))
FORMATS = ("fp8_scaled", "bf16")
COLUMNS = (
    *("card", "size", "weights", "`--offload auto`", "VAE", "greediest stage"),
    *("memory, predicted", "a pass at least, predicted", "what would fit, predicted"),
)


def table() -> list[str]:
    """The lines of the table, in Markdown."""
    head = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return head + ["| " + " | ".join(row) + " |" for row in rows()]


def rows() -> Iterator[tuple[str, ...]]:
    for name in CARDS:
        for width, height in SIZES:
            for number_format in FORMATS:
                yield row(card_named(name), Workload(width, height, 80), number_format)


def row(card: Card, workload: Workload, number_format: str) -> tuple[str, ...]:
    """80 frames a chunk, guided, with image and motion; all of the card's memory free."""
    precision = Precision(number_format, number_format)
    way = fit(workload, precision, card.memory_bytes)
    fits = way.fits(card.memory_bytes)
    others = [] if fits else remedies(workload, precision, card.memory_bytes)
    return (
        f"{card.name}, {card.memory_gib} GB",
        f"{workload.width}x{workload.height}",
        number_format,
        way.level if fits else "does not fit",
        "whole" if way.tiling.whole else "in tiles",
        way.worst.name,
        gib(way.peak + RESERVE),
        f"{_pass(way, card):.1f} s" if fits else "",
        " or ".join(f"`{text}`" for text in others),
    )


def _pass(way: Fit, card: Card) -> float:
    return next(stage_seconds(stage, card) for stage in way.stages if stage.name == "sampling")


def main() -> None:
    lines = table()
    if "--write" not in sys.argv:
        print("\n".join(lines))
        return
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
