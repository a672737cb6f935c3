"""Peak memory of a long job against that of a one-minute job, at 832x1216.

`python -m bench.memory 60` takes the hour of the target (at most 1.15x); the default is shorter.
"""

from __future__ import annotations

import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

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
    path = folder / f"{minutes:g}.wav"
    write_noise(path, round(minutes * 60))
    return run_command([
        sys.executable, "-c", "from soundreel.cli.app import main; main()", str(path),
        "--engine", "preview", "--fps", "8", "--preset", "ultrafast", "--seed", "1", "--quiet",
        "--work-dir", str(folder / "work"), "-o", str(folder / f"{minutes:g}.mp4"),
    ])  # fmt: skip


def write_noise(path: Path, seconds: int) -> None:
    """Second by second: a child's peak memory counts at least what its parent held."""
    random = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for second in range(seconds):
            time = second + np.arange(RATE) / RATE
            swell = np.sin(time * 0.7) ** 2 * np.sign(np.sin(time * 12)).clip(0.1)
            noise = random.standard_normal(RATE) * swell * 6000
            file.writeframes(np.clip(noise, -32767, 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:2]))
