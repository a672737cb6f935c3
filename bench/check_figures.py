"""What the check finds and what it does not: `python -m bench.check_figures [EVERY] [--write]` puts
every fault into every clean file in which it is asked for (of these pairs every EVERY-th), and the
table into docs/check.md."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from proof.clean import CLEAN, sound_file
from proof.faults import FAULTS, asked_of, found, inject
from soundreel.proof.check import check

PAGE = Path(__file__).resolve().parents[1] / "docs" / "check.md"
_BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- end figures -->)", re.DOTALL)


def main() -> None:
    every = next((int(word) for word in sys.argv[1:] if word.isdigit()), 1)
    with tempfile.TemporaryDirectory() as folder:
        table = measured(Path(folder), every)
    print(table)
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(_BLOCK.sub(lambda m: f"{m[1]}{table}{m[2]}", text), encoding="utf-8")


def measured(folder: Path, every: int = 1) -> str:
    """Markdown: of each fault in how many files it was found, and the false alarms."""
    alarms: dict[str, list[str]] = {}
    hits: dict[str, list[bool]] = defaultdict(list)
    for number, clean in enumerate(CLEAN):
        began = time.process_time()
        path, source = clean.write(folder), sound_file(clean.sound, folder)
        proof = check(path, source)
        alarms[clean.name] = [line.name for line in proof.lines if line.word == "fail"]
        for which, fault in enumerate(FAULTS):
            if (number + which) % every == 0 and asked_of(fault, clean):
                film, faulty = inject(fault, path, folder, source)
                missing = found(fault, faulty, film)
                hits[fault.name].append(not missing)
                if missing:
                    print(f"  {clean.name}: {fault.name}: {missing}", flush=True)
        said = ", ".join(alarms[clean.name]) or "clean"
        print(f"{clean.name}: {said} ({time.process_time() - began:.0f} s)", flush=True)
    rows = [
        f"| {fault.name} | {'with the source' if fault.against else 'from the file alone'} | "
        f"{sum(hits[fault.name])} of {len(hits[fault.name])} |"
        for fault in FAULTS
    ]
    false = {name: lines for name, lines in alarms.items() if lines}
    said = "; ".join(f"{name}: {', '.join(lines)}" for name, lines in false.items()) or "none"
    head = ["| fault | judged | found |", "|---|---|---|"]
    alarm = f"\nFalse alarms in the {len(alarms)} clean files: {said}.\n"
    return "\n".join([*head, *rows]) + "\n" + alarm


if __name__ == "__main__":
    main()
