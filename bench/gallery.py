"""Makes the contact sheets of docs/preview.md: `python -m bench.gallery docs/images`.

Every sheet is a video made by the tool, at half the usual size and with seed 1.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench import pictures, sounds
from bench.contact_sheet import arrange, contact_sheet, save
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.engines.preview.portrait.face import face_in_box, find_faces
from soundreel.engines.preview.portrait.lips import read_lips
from soundreel.engines.preview.portrait.mouth import Mouth
from soundreel.engines.preview.portrait.phonemes import MouthShape
from soundreel.media.image import load_image
from soundreel.types import DEFAULT_NEGATIVE_PROMPT, DEFAULT_PROMPT, Request, Rgb

EXAMPLES = Path(__file__).parent.parent / "examples"
CHORUS = (Fraction(11), Fraction(12))
"""Start and duration of a stretch of the music in which a verse opens into a chorus."""


@dataclass(frozen=True)
class Entry:
    name: str
    sound: str
    image: str = ""
    prompt: str = DEFAULT_PROMPT
    negative: str = DEFAULT_NEGATIVE_PROMPT
    chorus: bool = False
    fit: str = "auto"
    size: tuple[int, int] = (416, 608)
    count: int = 8


ENTRIES = (
    Entry("speech", "speech"),
    Entry("music", "music"),
    Entry("clicks", "clicks"),
    Entry("sweep", "sweep"),
    Entry("silence", "silence"),
    Entry("image-square", "speech", "square"),
    Entry("image-wide", "music", "wide", chorus=True),
    Entry("image-tall", "music", "tall", chorus=True),
    Entry("image-minutes", "minutes", "square", count=24, size=(208, 304)),
    Entry("art-cover", "music", "cover", fit="whole", size=(416, 416)),
    Entry("art-dark", "music", "dark", size=(416, 260)),
    Entry("art-light", "music", "light", size=(416, 260)),
    Entry("prompt-waves", "music", prompt="warm calm waves", chorus=True),
    Entry("prompt-rings", "music", prompt="neon energetic rings and particles", chorus=True),
    Entry("prompt-flow", "music", prompt="a dreamy forest, flowing", chorus=True),
    Entry("prompt-tunnel", "music", prompt="fire, aggressive, tunnel", chorus=True),
    Entry(
        "prompt-stars", "music", prompt="subtle pastel stars", negative="rings waves", chorus=True
    ),
)


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    wanted = set(sys.argv[2:])
    with tempfile.TemporaryDirectory() as folder:
        files = _inputs(Path(folder))
        for entry in ENTRIES:
            if not wanted or entry.name in wanted:
                video = _video(entry, files, Path(folder))
                columns = 8 if entry.count == 8 else 12
                sheet = contact_sheet(video, entry.count, columns, 1248 // columns)
                save(sheet, target / f"preview-{entry.name}.jpg")
        if not wanted or "mouths" in wanted:
            save(_mouths(), target / "preview-mouths.jpg")


def _video(entry: Entry, files: dict[str, Path], folder: Path) -> Path:
    request = Request(
        audio=files[entry.sound],
        image=files[entry.image] if entry.image else None,
        prompt=entry.prompt,
        negative_prompt=entry.negative,
        start=CHORUS[0] if entry.chorus else Fraction(0),
        duration=CHORUS[1] if entry.chorus else None,
        width=entry.size[0],
        height=entry.size[1],
        seed=1,
        engine="preview",
        options={"fit": entry.fit} if entry.image else {},
        output=folder / f"{entry.name}.mp4",
    )
    return generate(request, Settings(work_dir=folder / "work")).path


def _mouths() -> Rgb:
    """A portrait found by itself, a cat and a drawing with marked mouths: at rest, composed,
    pressed, a little open, wide open, rounded."""
    shapes = (
        MouthShape(),
        MouthShape(composed=1.0),
        MouthShape(press=1.0, composed=1.0),
        MouthShape(0.3, 0.5, composed=1.0),
        MouthShape(1.0, 0.25, composed=1.0),
        MouthShape(0.4, 0.0, 1.0, composed=1.0),
    )
    portrait, cat = load_image(EXAMPLES / "portrait.png"), load_image(EXAMPLES / "cat.jpg")
    drawing = pictures.face(512)
    rows = []
    for image, face, side in (
        (portrait, find_faces(portrait)[0], 190),
        (cat, face_in_box((222, 258, 76, 26), ()), 290),
        (drawing, face_in_box((190, 305, 130, 40), ()), 420),
    ):
        mouth = Mouth(image, face, read_lips(image, face))
        x = max(0, min(round(face.mouth[0]) - side // 2, image.shape[1] - side))
        y = max(0, min(round(face.mouth[1] - 0.62 * side), image.shape[0] - side))
        rows.append(
            [_cell(mouth.draw(image, shape)[y : y + side, x : x + side]) for shape in shapes]
        )
    return arrange([cell for row in rows for cell in row], len(shapes))


def _cell(part: Rgb) -> Rgb:
    return np.asarray(cv2.resize(part, (170, 170), interpolation=cv2.INTER_CUBIC), np.uint8)


def _inputs(folder: Path) -> dict[str, Path]:
    made = {
        "music": sounds.music(),
        "minutes": np.concatenate([sounds.music()] * 3, axis=1)[:, : 180 * sounds.RATE],
        "clicks": sounds.clicks(8, 0.87),
        "sweep": sounds.sweep(12),
        "silence": sounds.silence(8),
    }
    files = {"speech": EXAMPLES / "speech.wav", "square": EXAMPLES / "portrait.png"}
    for name, sound in made.items():
        files[name] = folder / f"{name}.wav"
        sounds.write_wav(files[name], sound)
    made_pictures = {
        "wide": pictures.mountains(1500, 600),
        "tall": pictures.trees(500, 1400),
        "cover": pictures.cover(800),
        "dark": pictures.logo("NIGHTJAR", 16),
        "light": pictures.logo("LIGHTBIRD", 245),
    }
    for name, picture in made_pictures.items():
        files[name] = folder / f"{name}.png"
        Image.fromarray(picture).save(files[name])
    return files


if __name__ == "__main__":
    main()
