"""Put the program's own help text into the docs, between markers:

    <!-- program: soundreel plan --help -->
    (a text block, replaced)
    <!-- end program -->

`python scripts/update_docs.py` rewrites the files; with `--check` it only says which differ.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(
    r"(<!-- program: (?P<command>soundreel[^\n]*?) -->\n)(.*?)(<!-- end program -->)", re.DOTALL
)
_PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def main() -> int:
    stale = [path for path in documents() if path.read_text(encoding="utf-8") != updated(path)]
    for path in stale:
        print(f"{'differs' if '--check' in sys.argv else 'updated'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.write_text(updated(path), encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def updated(path: Path) -> str:
    """The document with every program block as the program prints it now."""
    return _BLOCK.sub(
        lambda match: f"{match[1]}```text\n{output_of(match['command'])}```\n{match[4]}",
        path.read_text(encoding="utf-8"),
    )


@cache
def output_of(command: str) -> str:
    arguments = [sys.executable, "-c", "from soundreel.cli.app import main; main()"]
    run = subprocess.run(
        [*arguments, *command.split()[1:]],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **_PLAIN},
    )
    lines = [line.rstrip() for line in run.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())
