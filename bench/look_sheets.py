"""A sheet of every look over the four usual shapes of frame, for the docs.

python -m bench.look_sheets [docs/images] [LOOK ...]
"""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from bench.sounds import music, write_wav
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.looks.table import LOOKS
from soundreel.engines.preview.options import PreviewOptions
from soundreel.engines.preview.scenes import Scenes
from soundreel.events import RunControl
from soundreel.types import Request, Rgb

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ((540, 960), (720, 720), (576, 720), (1280, 720))
HEIGHT, GAP, QUALITY = 240, 6, 82
PALETTES = ("aurora", "neon", "ocean", "sunset", "candy", "gold", "ice", "rose", "fire")
AT, BEFORE, FPS = 26.2, 3, 30
"""Second of the music, in its chorus; so much is heard before it."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    chosen = sys.argv[2:] or list(LOOKS)
    with TemporaryDirectory() as name:
        sound = Path(name) / "music.wav"
        write_wav(sound, music())
        for look, palette in zip(LOOKS, cycle(PALETTES), strict=False):
            if look in chosen:
                pictures = [_small(_picture(sound, look, palette, size)) for size in SHAPES]
                target = folder / f"look-{look}.jpg"
                _beside(pictures).save(target, quality=QUALITY)
                print(f"{target}: {target.stat().st_size // 1000} kB")


def _picture(sound: Path, look: str, palette: str, size: tuple[int, int]) -> Rgb:
    request = Request(
        audio=sound,
        image=ROOT / "examples" / "portrait.png" if LOOKS[look].shows_picture else None,
        prompt="",
        start=AT - BEFORE,
        duration=2 * BEFORE,
        size=size,
        fps=FPS,
        seed=4,
        engine="preview",
        options={"look": look, "palette": palette},
        title="Late Train Home" if look == "card" else None,
        artist="The Orange Hours" if look == "card" else None,
    )
    engine, control = PreviewEngine(Settings()), RunControl()
    plan = plan_request(request, check_inputs(request), engine, control)
    options = PreviewOptions.model_validate(plan.request.options)
    return Scenes(plan, options, control).of(plan.chunks[0]).frame(BEFORE * FPS)


def _small(picture: Rgb) -> Image.Image:
    width = round(picture.shape[1] * HEIGHT / picture.shape[0])
    return Image.fromarray(picture).resize((width, HEIGHT), Image.Resampling.LANCZOS)


def _beside(pictures: list[Image.Image]) -> Image.Image:
    gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    parts = [np.asarray(picture) for picture in pictures]
    return Image.fromarray(np.hstack([part for each in parts for part in (each, gap)][:-1]))


if __name__ == "__main__":
    main()
