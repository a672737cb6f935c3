"""Sound to video with Wan 2.2 S2V, with the options that this command always had.

A thin shim over `soundreel generate`, whose options it takes: it uses the ComfyUI engine when its
server answers or was named, else what `--engine auto` picks, and says so. 77 frames unless a
duration is given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_VENV_PYTHON = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"


def main(argv: list[str]) -> int:
    from soundreel.cli import classic

    return classic.main(classic.SOUND, argv)


if __name__ == "__main__":
    try:
        import soundreel  # noqa: F401
    except ImportError:  # run from a clone with another Python: take the one that was set up
        if not _VENV_PYTHON.exists():
            sys.exit("soundreel is not set up yet: run `make demo` in the clone first")
        os.execv(_VENV_PYTHON, [str(_VENV_PYTHON), __file__, *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
