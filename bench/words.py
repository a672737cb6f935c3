"""Makes the pictures of docs/words.md: `python -m bench.words docs/images`.

Every picture is one of a video made by the tool; fonts are those in the package and the small ones
of the tests, so that it is the same wherever it is made.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image

from bench import sounds
from bench.contact_sheet import GAP, save
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.types import Request, Rgb
from soundreel.video.reader import read_frames

ROOT = Path(__file__).parent.parent
FONTS = tuple(sorted((ROOT / "tests" / "data" / "fonts").glob("*.[ot]tf")))
SHAPES = ("9:16@540", "4:5@540", "1:1@540", "16:9@540")
HEIGHT = 520
LYRICS = (
    "[00:00.20]<00:00.20>City <00:00.50>lights <00:00.80>are <00:00.90>calling "
    "<00:01.20>us <00:01.40>home <00:01.50>"
)
SCRIPTS = (
    ("captions", "[00:00.00]<00:00.00>until <00:00.60>the <00:01.00>sunrise<00:02.00>"),
    ("lyrics", "[00:00.00]<00:00.00>سلام <00:00.80>حبك <00:01.40>كتاب<00:02.00>"),
    ("lyrics", "[00:00.00]<00:00.00>नमस्ते <00:01.10>दुनिया <00:01.60>प्रेम<00:02.00>"),
    ("lyrics", "[00:00.00]<00:00.00>你好世界，<00:01.20>こんにちは 😀🔥<00:02.00>"),
)


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(beside([_card(folder, shape) for shape in SHAPES]), target / "words-shapes.jpg")
        made = [_script(folder, number, *each) for number, each in enumerate(SCRIPTS)]
        save(beside(made), target / "words-scripts.jpg")


def beside(made: Sequence[Rgb]) -> Rgb:
    """All of one height, on white."""
    scaled = [
        cast(Rgb, cv2.resize(each, _small(each), interpolation=cv2.INTER_AREA)) for each in made
    ]
    gap = np.full((HEIGHT, 3 * GAP, 3), 255, np.uint8)
    return np.concatenate([part for each in scaled for part in (each, gap)][:-1], axis=1)


def _small(picture: Rgb) -> tuple[int, int]:
    return round(picture.shape[1] * HEIGHT / picture.shape[0]), HEIGHT


def _card(folder: Path, shape: str) -> Rgb:
    """Lyrics with title, artist, cover and a logo."""
    logo = folder / "logo.png"
    mark = Image.new("RGBA", (64, 64))
    mark.paste((255, 255, 255, 255), (0, 0, 64, 64), _ring())
    mark.save(logo)
    return _picture(
        folder, "lyrics", LYRICS, shape, title="Midnight City", artist="The Night Owls",
        artwork=ROOT / "examples" / "cat.jpg", logo=logo,
    )  # fmt: skip


def _ring() -> Image.Image:
    y, x = np.ogrid[:64, :64]
    away = np.abs(np.hypot(x - 31.5, y - 31.5) - 22)
    return Image.fromarray((np.clip(8 - away, 0, 1) * 255).astype(np.uint8))


def _script(folder: Path, number: int, kind: str, text: str) -> Rgb:
    return _picture(folder, kind, text, "1:1@540", seed=number + 2)


def _picture(folder: Path, kind: str, text: str, shape: str, **more: Any) -> Rgb:
    """The one after 21/16 s."""
    words, sound = folder / "words.lrc", folder / "music.wav"
    words.write_text(text, encoding="utf-8")
    if not sound.exists():
        sounds.write_wav(sound, sounds.music()[:, 20 * sounds.RATE : 24 * sounds.RATE])
    settings = Settings(work_dir=folder / "work", output_dir=folder)
    said = {kind: words, "seed": 1, **more}
    request = Request(
        audio=sound, engine="preview", size=shape, font=FONTS, duration=Fraction(3, 2),
        output=folder / "words.mp4", **said,
    )  # fmt: skip
    video = generate(request, settings, overwrite=True).path
    return next(islice(read_frames(video), 21, None))


if __name__ == "__main__":
    main()
