"""The entry point. Light, so that Ctrl-C is heard from the first moment on."""

from __future__ import annotations

import os
import sys

# numpy's OpenBLAS (0.3.31) can spin for ever in a dot product over two threads on a busy machine.
# Its products here are small, and the big ones are torch's, which has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

STOPPED = 130
"""Exit code after Ctrl-C (errors.Cancelled has it too, but is not loaded yet)."""


def main() -> None:
    """Load the program, which takes a moment, and run it."""
    try:
        from soundreel.cli.terminal.streams import make_steady

        make_steady()
        from soundreel.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(STOPPED)
