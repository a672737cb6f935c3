"""Peak memory of a long job against that of a one-minute job, at 832x1216.

`python -m bench.memory 60` takes the hour of the target (at most 1.15x); the default is shorter.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from bench.measure import Cost, run_command

RATE = 16000
DEFAULT_MINUTES = 4.0
TARGET = 1.15


def main(minutes: float = DEFAULT_MINUTES) -> None:
    with tempfile.TemporaryDirectory() as folder:
        short, long = (render(Path(folder), length) for length in (1.0, minutes))
    print(
        f"peak memory at 832x1216, 8 fps: 1 min {short.peak_bytes / 2**20:.0f} MiB, "
        f"{minutes:g} min {long.peak_bytes / 2**20:.0f} MiB: "
        f"{long.peak_bytes / short.peak_bytes:.2f}x (target {TARGET}x for 60 min)"
    )


def render(folder: Path, minutes: float) -> Cost:
    """The whole program, preview engine, on a noise that swells and fades."""
    time = np.arange(round(minutes * 60 * RATE), dtype=np.float32) / RATE
    swell = np.sin(time * 0.7) ** 2 * np.sign(np.sin(time * 12)).clip(0.1)
    sound = np.random.default_rng(0).standard_normal(time.size, np.float32) * swell * 6000
    path = folder / f"{minutes:g}.wav"
    wavfile.write(path, RATE, np.clip(sound, -32767, 32767).astype(np.int16))
    return run_command([
        sys.executable, "-c", "from soundreel.cli.app import main; main()", str(path),
        "--engine", "preview", "--fps", "8", "--preset", "ultrafast", "--seed", "1", "--quiet",
        "--work-dir", str(folder / "work"), "-o", str(folder / f"{minutes:g}.mp4"),
    ])  # fmt: skip


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:2]))
