"""What the wan engine does on this machine's card: times, peaks, parity. No weights, no downloads.

    python -m bench.gpu                                      # all of it: 10 minutes on an H100
    python -m bench.gpu --only block,832x1216,fp8_scaled     # or a part: --only parity, --only vae
    python -m bench.gpu --tiny                               # that it works: seconds on a CPU

Weights of the 14B's size are made at random. One line of JSON for every figure, as soon as it is
there, the most important first; times in seconds, sizes in bytes. It needs torch, transformers,
diffusers, safetensors, pydantic and ftfy; the package need not be installed.

    passes   the transformer at one offload level, size and number format, with 80 frames
    compiled the same at level block with compiled blocks: the first pass compiles them
    vae      some latents decoded and encoded     text     one prompt of the greatest length
    parity   the recorded official cases          stream   streamed blocks against resident ones
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
for _folder in ("src", "tests"):  # the recorded cases are read by the tests' own reader
    if str(ROOT / _folder) not in sys.path:
        sys.path.insert(0, str(ROOT / _folder))

if TYPE_CHECKING:
    from bench.gpu_figures import Figures

SIZES = ("480x832", "832x1216")
LEVELS = ("none", "block", "model")
FORMATS = ("fp8_scaled", "bf16")
TINY_SIZE = "64x64"

Task = tuple[str, ...]
"""The name of a figure and what it is about; `--only` takes those that have all its words."""


def main() -> None:
    options = _options()
    sizes = (TINY_SIZE,) if options.tiny else SIZES
    wanted = list(chosen(sizes, options.only))
    if not wanted:
        sys.exit(f"no figure has all of {options.only}: {', '.join(sorted(_words(sizes)))}")
    from soundreel.engines.wan.machine.allocator import use_expandable_segments

    use_expandable_segments()
    from bench.gpu_figures import Figures  # torch comes after what it is told

    figures = Figures(tiny=options.tiny)
    say({"figure": "machine", **figures.machine()})
    failed = sum(not run(figures, task) for task in wanted)
    say({"figure": "end", "seconds": round(time.monotonic() - options.began, 1), "failed": failed})
    sys.exit(1 if failed else 0)


def tasks(sizes: Iterable[str]) -> Iterator[Task]:
    """The most important first; what shares a model's weights together."""
    yield ("parity",)
    yield ("stream",)
    for number_format in FORMATS:
        for size in sizes:
            yield from (("passes", level, size, number_format) for level in LEVELS)
        yield ("text", number_format)
        if number_format == FORMATS[0]:
            yield from (("vae", size) for size in sizes)
            yield from (("compiled", size, number_format) for size in sizes)


def chosen(sizes: Iterable[str], only: str) -> Iterator[Task]:
    """The tasks that have all words of `only`, which are parted by commas."""
    words = set(only.split(",")) if only else set()
    return (task for task in tasks(sizes) if words <= set(task))


def _words(sizes: Iterable[str]) -> set[str]:
    return {word for task in tasks(sizes) for word in task}


def run(figures: Figures, task: Task) -> bool:
    """Whether it could be measured. What fails is told, and the next one follows."""
    start = time.monotonic()
    try:
        measured = figures.measure(*task)
    except Exception as err:  # on a card of which nothing is known yet
        measured = {"error": f"{type(err).__name__}: {str(err).strip().partition(chr(10))[0]}"}
    took = round(time.monotonic() - start, 1)
    say({"figure": task[0], "about": list(task[1:]), **measured, "took_s": took})
    figures.forget()
    return "error" not in measured


def say(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="LEVEL,SIZE,FORMAT", help="any of a figure's words"
    )
    parser.add_argument("--tiny", action="store_true", help="tiny models, here on the CPU")
    parser.set_defaults(began=time.monotonic())
    return parser.parse_args()


if __name__ == "__main__":
    main()
