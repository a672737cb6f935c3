"""The tables of docs/models.md: what runs how on which card, and which file for how much memory.
`--write` puts them into the page.

python scripts/memory_table.py [--write]
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.catalog import PUBLISHED
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.memory.cards import Card, card_named
from soundreel.engines.wan.memory.estimate import stage_seconds
from soundreel.engines.wan.memory.fit import RESERVE, Fit, fit, gib, remedies
from soundreel.engines.wan.memory.needs import (
    OFFLOAD_LEVELS,
    OffloadLevel,
    Precision,
    Weights,
    Workload,
)
from soundreel.engines.wan.memory.weighed import weights_in

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from bench.gguf_mixes import MIXES, size_of, types_of  # noqa: E402

KEY_LISTS = ROOT / "tests" / "data" / "wan_key_lists.json.gz"
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- memory table: begin -->", "<!-- memory table: end -->"

CARDS = ("RTX 4060", "RTX 3080", "RTX 3060", "RTX 4080", "RTX 4090", "RTX 5090", "L40S", "H100 SXM")
SIZES = ((480, 832), (832, 1216))
FORMATS = ("fp8_scaled", "bf16")
COLUMNS = (
    *("card", "size", "weights", "`--offload auto`", "greediest stage"),
    *("memory, predicted", "a pass at least, predicted", "what would fit, predicted"),
)


FILES_BEGIN, FILES_END = "<!-- file table: begin -->", "<!-- file table: end -->"
MEMORIES = (8, 10, 12, 16, 24)
FILE_COLUMNS = (
    *("card", "size", "stays on the card (`none`)", "one model at a time (`model`)"),
    "streamed (`block`)",
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
        way.told if fits else "does not fit",
        way.worst.name,
        gib(way.peak + RESERVE),
        f"{_pass(way, card):.1f} s" if fits else "",
        " or ".join(others),
    )


def file_table() -> list[str]:
    """For each amount of memory the largest files that fit, in Markdown."""
    files = precisions()
    head = ["| " + " | ".join(FILE_COLUMNS) + " |", "|---" * len(FILE_COLUMNS) + "|"]
    lines = []
    for memory in MEMORIES:
        for width, height in SIZES:
            workload = Workload(width, height, 80, passes=1)
            free = memory * 2**30
            cells = [largest(files, workload, free, level) for level in OFFLOAD_LEVELS]
            if not any(cells):
                smallest = list(files.values())[-1]
                others = remedies(workload, smallest, free)
                cells[-1] = "no file; it would with " + " or ".join(others)
            lines.append(f"| {memory} GB | {width}x{height} | {' | '.join(cells)} |")
    return head + lines


def largest(
    files: Mapping[str, Precision], workload: Workload, free: int, level: OffloadLevel
) -> str:
    """The largest file that fits at this level, and what the job then takes at most; or ""."""
    for name, precision in files.items():
        way = fit(workload, precision, free, level)
        if way.fits(free):
            return f"{name}: {gib(way.peak + RESERVE)}{way.told.removeprefix(level)}"
    return ""


def precisions() -> dict[str, Precision]:
    """The published sets, the largest transformer first, with the few-step LoRA."""
    listed = json.loads(gzip.decompress(KEY_LISTS.read_bytes()))["s2v_bf16"]
    shapes = {name: tuple(shape) for name, (shape, _) in listed.items()}
    lora = next(file.size for file in PUBLISHED if file.slot == "lora") // 2
    found = {name: Precision(name, name, lora) for name in FORMATS}
    for mix in MIXES:
        weights = weights_in(gguf_tensors(shapes, mix), Kind.S2V)
        found[mix] = Precision(f"GGUF {mix}", "GGUF Q5_K_M", lora, weights, gguf_text())
    ordered = sorted(found.items(), key=lambda item: -item[1].transformer_weights.all)
    return dict(ordered)


def gguf_tensors(shapes: Mapping[str, tuple[int, ...]], mix: str) -> dict[str, TensorHeader]:
    """What the header of such a file says."""
    tensors, at = {}, 0
    for name, kind in types_of(shapes, mix).items():
        size = size_of(shapes[name], kind)
        tensors[name] = TensorHeader(kind, shapes[name], at, at + size)
        at += size
    return tensors


def gguf_text() -> Weights:
    """Of UMT5-XXL in Q5_K_M: the published size; in it a vocabulary in Q6_K and 24 blocks, which
    differ little."""
    size = next(file.size for file in PUBLISHED if file.name == "umt5-xxl-encoder-Q5_K_M.gguf")
    vocabulary = size_of((256_384, 4096), "Q6_K")
    return Weights(size, vocabulary, (size - vocabulary) // 24)


def _pass(way: Fit, card: Card) -> float:
    return next(stage_seconds(stage, card) for stage in way.stages if stage.name == "sampling")


def main() -> None:
    if "--write" not in sys.argv:
        print("\n".join([*table(), "", *file_table()]))
        return
    text = PAGE.read_text(encoding="utf-8")
    text = _between(text, BEGIN, END, table())
    PAGE.write_text(_between(text, FILES_BEGIN, FILES_END, file_table()), encoding="utf-8")


def _between(text: str, begin: str, end: str, lines: list[str]) -> str:
    before, rest = text.split(begin)
    return "\n".join([before + begin, *lines, end]) + rest.split(end)[1]


if __name__ == "__main__":
    main()
