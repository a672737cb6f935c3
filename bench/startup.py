"""CPU time of `soundreel --help`: what a person waits for before anything happens."""

from __future__ import annotations

import sys

from bench.measure import run_command

ROUNDS = 5
TARGET_S = 0.4


def main() -> None:
    command = [sys.executable, "-c", "from soundreel.cli.app import main; main()", "--help"]
    best = min(run_command(command).cpu_s for _ in range(ROUNDS))
    print(f"soundreel --help: {best:.2f} CPU s (best of {ROUNDS}; target {TARGET_S})")


if __name__ == "__main__":
    main()
