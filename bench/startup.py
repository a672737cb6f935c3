"""CPU time of `soundreel --help`, and of a plan for a card: what a person waits for before anything
happens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.measure import run_command

ROUNDS = 5
SOUND = Path(__file__).parents[1] / "examples" / "speech.wav"


def main() -> None:
    bench("soundreel --help", ["--help"], 0.4)
    plan = ["plan", str(SOUND), "--engine", "wan", "--gpu", "RTX 4090"]
    bench("soundreel plan --engine wan --gpu", plan, 1.0)


def bench(name: str, arguments: Sequence[str], target_s: float) -> None:
    command = [sys.executable, "-c", "from soundreel.cli.app import main; main()", *arguments]
    best = min(run_command(command).cpu_s for _ in range(ROUNDS))
    print(f"{name}: {best:.2f} CPU s (best of {ROUNDS}; target {target_s})")


if __name__ == "__main__":
    main()
