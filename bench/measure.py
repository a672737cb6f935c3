"""Runs a command and says what it took: CPU seconds and peak memory of the whole process tree."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """cpu_s: user and system time of the process and its children; peak_bytes: largest resident
    set of any one of them; wall_s is left out, since it depends on what else runs."""

    cpu_s: float
    peak_bytes: int


def run_command(command: Sequence[str]) -> Cost:
    """Raises CalledProcessError, with what the command said, if it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.stderr.buffer.write(said)
        raise subprocess.CalledProcessError(process.returncode, command)
    return _cost(usage)


def _cost(usage: resource.struct_rusage) -> Cost:
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)
