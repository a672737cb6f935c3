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

from bench import sounds
from bench.contact_sheet import contact_sheet, save
from soundreel.api import generate
from soundreel.config import Settings
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


ENTRIES = (
    Entry("speech", "speech"),
    Entry("music", "music"),
    Entry("clicks", "clicks"),
    Entry("sweep", "sweep"),
    Entry("silence", "silence"),
    Entry("image-square", "speech", "square"),
    Entry("image-wide", "music", "wide", chorus=True),
    Entry("image-tall", "music", "tall", chorus=True),
    Entry("prompt-waves", "music", prompt="warm calm waves", chorus=True),
    Entry("prompt-rings", "music", prompt="neon energetic rings and particles", chorus=True),
    Entry("prompt-flow", "music", prompt="a dreamy forest, flowing", chorus=True),
    Entry("prompt-tunnel", "music", prompt="fire, aggressive, tunnel", chorus=True),
    Entry(
        "prompt-stars", "music", prompt="subtle pastel stars", negative="rings waves", chorus=True
    ),
)

README = ("image-square", "music")
"""The rows of the README's picture."""


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    wanted = set(sys.argv[2:])
    with tempfile.TemporaryDirectory() as folder:
        files = _inputs(Path(folder))
        for entry in ENTRIES:
            if not wanted or entry.name in wanted:
                video = _video(entry, files, Path(folder))
                save(contact_sheet(video, cell=156), target / f"preview-{entry.name}.jpg")
        if not wanted:
            rows = [contact_sheet(Path(folder) / f"{name}.mp4", 6, 6, 160) for name in README]
            save(np.vstack(rows), target / "contact_sheet.jpg")


def _video(entry: Entry, files: dict[str, Path], folder: Path) -> Path:
    request = Request(
        audio=files[entry.sound],
        image=files[entry.image] if entry.image else None,
        prompt=entry.prompt,
        negative_prompt=entry.negative,
        start=CHORUS[0] if entry.chorus else Fraction(0),
        duration=CHORUS[1] if entry.chorus else None,
        width=416,
        height=608,
        seed=1,
        engine="preview",
        output=folder / f"{entry.name}.mp4",
    )
    return generate(request, Settings(work_dir=folder / "work")).path


def _inputs(folder: Path) -> dict[str, Path]:
    made = {
        "music": sounds.music(),
        "clicks": sounds.clicks(8, 0.87),
        "sweep": sounds.sweep(12),
        "silence": sounds.silence(8),
    }
    files = {"speech": EXAMPLES / "speech.wav", "square": EXAMPLES / "portrait.png"}
    for name, sound in made.items():
        files[name] = folder / f"{name}.wav"
        sounds.write_wav(files[name], sound)
    for name, picture in (("wide", _mountains(1500, 600)), ("tall", _trees(500, 1400))):
        files[name] = folder / f"{name}.png"
        Image.fromarray(picture).save(files[name])
    return files


def _mountains(width: int, height: int) -> Rgb:
    """A sunset behind three ridges."""
    y, x = np.mgrid[:height, :width]
    share = (y / height)[..., None]
    picture = (1 - share) * np.array([40, 50, 120]) + share * np.array([255, 150, 80])
    sun = np.exp(-(((x - width * 0.7) ** 2 + (y - height * 0.55) ** 2) / (height * 0.1) ** 2))
    picture += sun[..., None] * np.array([255, 220, 150])
    for k, colour in enumerate(((110, 70, 110), (70, 45, 85), (30, 22, 50))):
        ridge = height * (0.64 + 0.1 * k + 0.07 * _rough(width, 2, seed=k)[0])
        picture[y > ridge] = colour
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _trees(width: int, height: int) -> Rgb:
    """Trunks before a bright clearing."""
    leaves = np.clip(0.5 + 0.25 * _rough(width, height, seed=5), 0, 1)[..., None]
    picture = leaves * np.array([120, 200, 90]) + (1 - leaves) * np.array([8, 40, 30])
    y, x = np.mgrid[:height, :width]
    random = np.random.default_rng(6)
    for k in range(7):
        middle = random.uniform(0, width) + 20 * np.sin(y / 200 + k)
        trunk = np.exp(-(((x - middle) / random.uniform(8, 26)) ** 2))[..., None]
        picture = picture * (1 - 0.8 * trunk) + 0.8 * trunk * np.array([40, 25, 15])
    light = np.exp(-(((x - width / 2) ** 2 + (y - 300) ** 2) / 120**2))[..., None]
    return np.asarray(np.clip(picture + light * np.array([220, 240, 160]), 0, 255), np.uint8)


def _rough(width: int, height: int, seed: int) -> np.ndarray:
    """(height, width) noise of several sizes."""
    random = np.random.default_rng(seed)
    out = np.zeros((height, width))
    for octave in range(6):
        grid = (max(2, height * 2**octave // 300), max(2, width * 2**octave // 300))
        out += cv2.resize(random.normal(size=grid), (width, height), None, 0, 0, 2) / 2**octave
    return out


if __name__ == "__main__":
    main()
