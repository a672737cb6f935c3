"""Sound files with a picture and words inside, made by the newest ffmpeg."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import oracle
from media_factory import sine, write_audio

KINDS = ("mp3", "m4a", "flac")


def album(
    folder: Path, kind: str = "mp3", size: tuple[int, int] = (120, 80), seconds: float = 2.0
) -> Path:
    """A song with a cover, red on the left and blue on the right, title, artist and date."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, : size[0] // 2, 0], picture[:, size[0] // 2 :, 2] = 220, 220
    Image.fromarray(picture).save(folder / "art.png")
    sound = write_audio(folder / "plain.wav", sine(seconds, rate=16000), rate=16000)
    path = folder / f"song.{kind}"
    oracle.run_ffmpeg(
        "-i", sound, "-i", folder / "art.png", "-map", "0:a", "-map", "1:v",
        "-c:v", "mjpeg" if kind == "m4a" else "png", "-disposition:v", "attached_pic",
        "-metadata", "title=Two halves", "-metadata", "artist=The Ärtists\u202e\n2nd line",
        "-metadata", "date=2021", path,
    )  # fmt: skip
    return path
