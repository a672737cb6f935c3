"""The moving picture of the README: a portrait that speaks, and pictures for music, side by side.

python -m bench.moving_picture [docs/images/moving.webp]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from bench.sounds import music, write_wav
from soundreel import Request, Settings, generate
from soundreel.types import Rgb
from soundreel.video.reader import read_frames

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "moving.webp"
SIDE, FPS, SECONDS = 240, 12, 5
QUALITY = 50
MOST_BYTES = 600_000
"""A page with it must load at once."""


@dataclass(frozen=True)
class Panel:
    sound: Path
    image: Path | None = None
    prompt: str = ""
    start: float = 0


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_wav(folder / "music.wav", music())
        speech = Panel(ROOT / "examples" / "speech.wav", ROOT / "examples" / "portrait.png")
        song = Panel(folder / "music.wav", prompt="neon rings", start=12)
        shown = [_pictures(panel, folder) for panel in (speech, song)]
    _save([np.hstack(pair) for pair in zip(*shown, strict=True)], target)
    print(f"{target}: {target.stat().st_size // 1000} kB")
    if target.stat().st_size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES // 1000} kB: lower QUALITY, SIDE or SECONDS")


def _pictures(panel: Panel, folder: Path) -> list[Rgb]:
    """Drawn at twice the size, so that lines are fine when it is reduced."""
    request = Request(
        audio=panel.sound,
        image=panel.image,
        prompt=panel.prompt,
        start=panel.start,
        duration=SECONDS,
        width=2 * SIDE,
        height=2 * SIDE,
        fps=FPS,
        seed=7,
        engine="preview",
        output=folder / f"{panel.sound.stem}.mp4",
    )
    video = generate(request, Settings(work_dir=folder / "work")).path
    return [_half(picture) for picture in read_frames(video)]


def _half(picture: Rgb) -> Rgb:
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small)


def _save(pictures: list[Rgb], target: Path) -> None:
    first, *rest = map(Image.fromarray, pictures)
    first.save(
        target, save_all=True, append_images=rest, duration=1000 // FPS, loop=0, quality=QUALITY,
        method=6,
    )  # fmt: skip


if __name__ == "__main__":
    main()
