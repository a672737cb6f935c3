"""Runs a command and says what it took: CPU seconds and peak memory of its process.

The command is started by a small Python process (this file), since Linux counts a parent's memory
as part of its child's peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """cpu_s: user and system time, children's included; peak_bytes: largest resident set. Wall time
    is left out, since it depends on what else runs."""

    cpu_s: float
    peak_bytes: int


def run_command(command: Sequence[str]) -> Cost:
    """Raises CalledProcessError, with what the command said, if it fails."""
    run = subprocess.run([sys.executable, __file__, *command], capture_output=True, check=False)
    if run.returncode:
        sys.stderr.buffer.write(run.stderr)
        raise subprocess.CalledProcessError(run.returncode, command)
    return Cost(**json.loads(run.stdout))


def _start(command: Sequence[str]) -> int:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * unit}
    print(json.dumps(cost))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_start(sys.argv[1:]))
