"""Mutated weight files and what lies beside them: read, or refused with an error of ours.

Nothing hangs, crashes or takes memory. The worker names its mutant; the seeds stay the same.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("fuzz_worker.py")
SECONDS_EACH = 6  # of the CPU
KINDS = ("safetensors", "pickle", "gguf", "index", "config")


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    read_mutants(kind, 0, 200, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutants_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    read_mutants(kind, 200, 1800, tmp_path)


def read_mutants(kind: str, first: int, count: int, folder: Path) -> None:
    if kind == "config":
        pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, WORKER, kind, str(first), str(count), str(folder)],
        capture_output=True,
        text=True,
        timeout=60 + count,
        check=False,
    )
    lines = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    ends = [line for line in lines if line[0] == "end"]
    assert len(ends) == count, f"mutant {lines[-1:]}: {done.stderr[-3000:]}"
    slowest = max(ends, key=lambda line: float(line[2]))
    assert float(slowest[2]) < SECONDS_EACH, slowest
    said = {line[3] for line in ends}
    assert not any("without a word" in text for text in said)
    assert any(text.startswith("refused") for text in said)
    assert any(text.startswith("read") or "WAN" in text for text in said)
