"""What the check finds, and what not: `python -m bench.check_figures FOLDER [EVERY] [--write]` puts
every fault into every clean file in which it is asked for (of these pairs every EVERY-th), and the
table into docs/check.md.

The folder keeps the clean files and what was found, so that the same command goes on where it was
stopped. Take a new one where the code has changed.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from proof.clean import CLEAN, Clean, sound_file
from proof.faults import FAULTS, asked_of, found, inject
from soundreel.proof.check import check

PAGE = Path(__file__).resolve().parents[1] / "docs" / "check.md"
_BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- end figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """Of each clean file and fault what is missing, "" where it is found. The fault "" stands for
    the clean file itself, and holds the names of the lines that fail."""

    path: Path
    said: dict[tuple[str, str], str]

    @classmethod
    def open(cls, folder: Path) -> Found:
        path = folder / "found.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return cls(path, {(clean, fault): said for clean, fault, said in map(json.loads, lines)})

    def add(self, clean: str, fault: str, said: str) -> None:
        self.said[clean, fault] = said
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([clean, fault, said]) + "\n")


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--write"]
    if not words:
        sys.exit(__doc__)
    folder, every = Path(words[0]), int(words[1]) if len(words) > 1 else 1
    folder.mkdir(parents=True, exist_ok=True)
    results = Found.open(folder)
    for number, clean in enumerate(CLEAN):
        measure(results, clean, folder, number, every)
    written = table(results.said)
    print(written)
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(_BLOCK.sub(lambda m: f"{m[1]}{written}{m[2]}", text), encoding="utf-8")


def measure(results: Found, clean: Clean, folder: Path, number: int, every: int) -> None:
    """The clean file, and what of its faults is not yet known."""
    began = time.process_time()
    path, source = clean.write(folder), sound_file(clean.sound, folder)
    if (clean.name, "") not in results.said:
        lines = check(path, source).lines
        failed = ", ".join(line.name for line in lines if line.word == "fail")
        results.add(clean.name, "", failed)
    for which, fault in enumerate(FAULTS):
        asked = (number + which) % every == 0 and asked_of(fault, clean)
        if asked and (clean.name, fault.name) not in results.said:
            film, proof = inject(fault, path, folder, source)
            missing = found(fault, proof, film)
            results.add(clean.name, fault.name, missing)
            if missing:
                print(f"  {clean.name}: {fault.name}: {missing}", flush=True)
    said = results.said[clean.name, ""] or "clean"
    print(f"{clean.name}: {said} ({time.process_time() - began:.0f} s)", flush=True)


def table(said: dict[tuple[str, str], str]) -> str:
    """Markdown: of each fault in how many files it was found, and the false alarms."""
    rows = []
    for fault in FAULTS:
        missing = [text for (_, name), text in said.items() if name == fault.name]
        judged = "with the source" if fault.against else "from the file alone"
        rows.append(f"| {fault.name} | {judged} | {missing.count('')} of {len(missing)} |")
    alarms = {clean: text for (clean, fault), text in said.items() if not fault}
    false = "; ".join(f"{name}: {text}" for name, text in alarms.items() if text) or "none"
    head = ["| fault | judged | found |", "|---|---|---|"]
    return "\n".join(
        [*head, *rows, "", f"False alarms in the {len(alarms)} clean files: {false}.", ""]
    )


if __name__ == "__main__":
    main()
