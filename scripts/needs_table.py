"""The table of formulas by which `soundreel plan` says memory and operations without torch.

    python scripts/needs_table.py            # counts, and writes engines/wan/memory/needs.json
    python scripts/needs_table.py --check    # only says whether that would change it

Runs of many sizes are counted on the meta device (`memory.counted`). At each place of the code that
makes a tensor, what lives at once is a sum of a few sizes of the work, with whole coefficients;
these are solved for exactly, and must give every count. Of the places, those stay that are the
greatest somewhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from operator import mul
from pathlib import Path
from random import Random
from typing import TypeVar

from soundreel.engines.wan.encoders.sound import ONE_PASS_SECONDS
from soundreel.engines.wan.image.counted import expert_weights, image_step_count
from soundreel.engines.wan.image.needs import ImageWorkload
from soundreel.engines.wan.memory import counted, needs
from soundreel.engines.wan.memory.counting import Counted, Place
from soundreel.engines.wan.memory.needs import Sizes, Weights, Workload
from soundreel.engines.wan.model.blocks import INJECTED
from soundreel.engines.wan.model.pieces import PIECE

PATH = Path(needs.__file__).with_suffix(".json")
FORMATS = ("fp8_scaled", "16 bits", "unpacked")
"""Rows of the table; `needs.row_of` finds a file's."""

WEIGHED = ("fp8_scaled", "16 bits")
"""Of these the weights are known without a file; of the others `memory.weighed` reads them."""

RUNS = 16
"""Counted for a formula: twice as many as it has coefficients."""

POINTS = 1500
"""Works at which it is asked which place is the greatest."""

LOW = 0.8
"""Of the peak: a place that is never higher may follow no sum, as in the last, shorter piece."""

W = TypeVar("W", bound=Workload)

Form = tuple[int, ...]
Formula = dict[str, list[Form]]
Sample = tuple[Sizes, Counted]


def main() -> None:
    text = as_json(table())
    changed = not PATH.exists() or PATH.read_text(encoding="utf-8") != text
    if changed and "--check" not in sys.argv:
        PATH.write_text(text, encoding="utf-8")
    if changed:
        print(f"{'differs' if '--check' in sys.argv else 'updated'}: {PATH.name}")
    sys.exit(1 if changed and "--check" in sys.argv else 0)


def table() -> dict[str, object]:
    return {
        "piece": {"tokens": PIECE, "injected": INJECTED},
        "weights": weights(),
        "text": {each: constant(counted.text_count(each)) for each in FORMATS},
        "sound": {str(s): constant(counted.sound_count(s)) for s in range(1, ONE_PASS_SECONDS + 1)},
        "step": {each: steps(workloads, counted.step_count, each) for each in FORMATS},
        "step in slices": {each: steps(in_slices, counted.step_count, each) for each in FORMATS},
        "image step": {each: steps(image_works, image_step_count, each) for each in FORMATS},
        "decode": {str(n): vae_formula(partial(counted.decode_count, n)) for n in (1, 2, 3, 4)},
        "encode": {str(n): vae_formula(partial(counted.encode_count, n)) for n in (1, 2, 3, 4)},
    }


def weights() -> dict[str, object]:
    def row(found: Weights) -> dict[str, int]:
        return {"all": found.all, "rest": found.rest, "block": found.block}

    return {
        "transformer": {each: row(counted.transformer_weights(each)) for each in WEIGHED},
        "text_encoder": {each: row(counted.text_weights(each)) for each in WEIGHED},
        "vae": row(counted.vae_weights()),
        "audio_encoder": row(counted.audio_weights()),
        "image transformer": {each: row(expert_weights(each)) for each in WEIGHED},
    }


def constant(found: Counted) -> Formula:
    return {
        "peak": [(found.peak_bytes,)],
        "held": [(found.held_bytes,)],
        "flops": [(found.flops,)],
    }


# --- what is counted --------------------------------------------------------------------------


def steps(
    works: Callable[[int], Iterator[W]], run: Callable[[W, str], Counted], number_format: str
) -> dict[str, Formula]:
    """By the number of pieces. Of several pieces the smaller works are counted, which takes less
    time."""
    found = {}
    for pieces in ("1", "2", "3"):
        every = [load for load in works(POINTS) if _sizes(load)[1] == pieces]
        small = sorted(every, key=lambda load: _sizes(load)[0][3] // PIECE)[:RUNS]
        samples = [(_sizes(load)[0], run(load, number_format)) for load in small]
        found[pieces] = formula(samples, [_sizes(load)[0] for load in every])
    return found


def workloads(number: int, seed: int = 0) -> Iterator[Workload]:
    """From the smallest to the largest that anybody makes; smaller ones are as many as larger."""
    random = Random(seed)
    for _ in range(number):
        most = random.choice((12, 30, 120))
        width, height = (16 * random.randint(4, most) for _ in "wh")
        frames, reference, motion = 4 * random.randint(2, 40), random.random(), random.random()
        yield Workload(width, height, frames, reference=reference < 0.5, motion=motion < 0.5)


def image_works(number: int) -> Iterator[ImageWorkload]:
    """So too, of image to video."""
    for load in workloads(number):
        yield ImageWorkload(load.width, load.height, load.frames)


def _sizes(load: Workload) -> tuple[Sizes, str]:
    return needs.step_sizes(load, PIECE, INJECTED)


def in_slices(number: int) -> Iterator[Workload]:
    return (load.ways_to_attend[-1] for load in workloads(number))


def vae_formula(run: Callable[[int, int], Counted]) -> Formula:
    every = [load.latents[1:] for load in workloads(POINTS)]
    samples = [(needs.vae_sizes(*size), run(*size)) for size in every[:RUNS]]
    return formula(samples, [needs.vae_sizes(*size) for size in every])


# --- from counts to formulas ------------------------------------------------------------------


def formula(samples: Sequence[Sample], points: Sequence[Sizes]) -> Formula:
    """points: sizes of works at which a place may be the greatest. Raises SystemExit where no sum
    of the sizes gives what was counted."""
    held = solved([(sizes, found.held_bytes) for sizes, found in samples])
    flops = solved([(sizes, found.flops) for sizes, found in samples])
    peak = peaks(samples, points)
    if held is None or flops is None or peak is None:
        sys.exit("what was counted is no sum of the sizes that memory/needs.py takes: add one")
    return {"peak": peak, "held": [held], "flops": [flops]}


def peaks(samples: Sequence[Sample], points: Sequence[Sizes]) -> list[Form] | None:
    """Of the places, what is the greatest somewhere. None where a place is missing among them."""
    forms: set[Form] = set()
    for values in by_place(samples).values():
        form = solved([(sizes, size) for sizes, size, _ in values])
        if form is not None:
            forms.add(form)
        elif any(size > LOW * peak for _, size, peak in values):
            return None
    if any(greatest(forms, sizes)[0] != found.peak_bytes for sizes, found in samples):
        return None
    return sorted({greatest(forms, sizes)[1] for sizes in points})


def by_place(samples: Sequence[Sample]) -> Mapping[Place, list[tuple[Sizes, int, int]]]:
    """Sizes, the bytes there, and the bytes at the peak."""
    found: dict[Place, list[tuple[Sizes, int, int]]] = {}
    for sizes, run in samples:
        for place, size in run.places.items():
            found.setdefault(place, []).append((sizes, size, run.peak_bytes))
    return found


def greatest(forms: Iterable[Form], sizes: Sizes) -> tuple[int, Form]:
    return max((sum(map(mul, form, sizes)), form) for form in forms)


def solved(values: Sequence[tuple[Sizes, int]]) -> Form | None:
    """The whole coefficients with which the sizes add up to every value; None if there are none.

    By Gauss and Jordan in fractions. Where several do, sizes that come late are left out.
    """
    rows = [[*map(Fraction, sizes), Fraction(value)] for sizes, value in values]
    columns = len(values[0][0])
    pivots: list[int] = []
    for column in range(columns):
        rank = len(pivots)
        pivot = next((row for row in rows[rank:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [each / pivot[column] for each in pivot]
        rows = [
            [a - row[column] * b for a, b in zip(row, pivot, strict=True)] if row[column] else row
            for row in rows
        ]
        rows.insert(rank, pivot)
        pivots.append(column)
    form = [Fraction(0)] * columns
    for row, column in zip(rows, pivots, strict=False):
        form[column] = row[-1]
    if any(row[-1] for row in rows[len(pivots) :]) or any(c.denominator > 1 for c in form):
        return None
    return tuple(int(c) for c in form)


def as_json(value: object, indent: str = "") -> str:
    """Indented, with a list of numbers on one line."""
    inner = f"{indent} "
    if isinstance(value, Mapping):
        parts = [f"{inner}{json.dumps(k)}: {as_json(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    if isinstance(value, list) and len(value) > 1:
        return f"[\n{inner}" + f",\n{inner}".join(map(json.dumps, value)) + f"\n{indent}]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
