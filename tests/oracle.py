"""What the newest ffmpeg says: an oracle that is not ours, and the same on every machine.

The program comes with the package imageio-ffmpeg, so that neither its absence nor an old one on the
path (5.1 decodes Vorbis wrongly, by 0.16) changes what the tests say.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

GAPS_FILLED = ("-af", "aresample=async=1:first_pts=0")
"""Missing sound becomes silence of its length, once a tenth of a second of it has gathered."""


def run_ffmpeg(*arguments: str | Path) -> bytes:
    """Standard output; it must have nothing to complain of."""
    done = _run("-v", "error", *arguments)
    assert done.stderr == b"", done.stderr.decode(errors="replace")
    return done.stdout


def run_ffmpeg_saying(*arguments: str | Path) -> str:
    """What it says on the way, the sums of its filters too."""
    return _run("-hide_banner", *arguments).stderr.decode(errors="replace")


def decoded(path: Path, channels: int, *options: str) -> NDArray[np.float32]:
    """(channels, n) as it decodes the first sound track, whatever it complains of."""
    raw = _run("-v", "quiet", "-i", path, "-map", "0:a:0", *options,
               "-c:a", "pcm_f32le", "-f", "f32le", "-").stdout  # fmt: skip
    return np.frombuffer(raw, np.float32).reshape(-1, channels).T


def make(path: Path, *arguments: str | Path) -> Path:
    """A file that it writes."""
    run_ffmpeg(*arguments, path)
    return path


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


def pictures(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    """(n, height, width, 3) RGB: every picture that it decodes, none doubled, none left out."""
    raw = run_ffmpeg("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-an",
                     "-pix_fmt", "rgb24", "-f", "rawvideo", "-")  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
