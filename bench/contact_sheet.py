"""Pictures of a video side by side, evenly spread over its length.

python -m bench.contact_sheet VIDEO SHEET.jpg [--count 8] [--columns 8] [--cell 160]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from soundreel.types import Rgb
from soundreel.video.reader import probe_video, read_frames

GAP = 4
"""Pixels between pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--count", type=int, default=8, help="pictures")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--cell", type=int, default=160, help="width of a picture in pixels")
    options = parser.parse_args()
    sheet = contact_sheet(options.video, options.count, options.columns, options.cell)
    save(sheet, options.sheet)


def contact_sheet(video: Path, count: int = 8, columns: int = 8, cell: int = 160) -> Rgb:
    """`count` pictures from the middles of as many equal stretches."""
    total = probe_video(video).num_frames
    wanted = [min(total - 1, int((k + 0.5) * total / count)) for k in range(count)]
    found = {i: _small(rgb, cell) for i, rgb in enumerate(read_frames(video)) if i in set(wanted)}
    return arrange([found[i] for i in wanted], columns)


def arrange(pictures: Sequence[Rgb], columns: int) -> Rgb:
    """Rows of pictures of one size, on black."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    sheet = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), np.uint8)
    for k, picture in enumerate(pictures):
        y, x = k // columns * (height + GAP), k % columns * (width + GAP)
        sheet[y : y + height, x : x + width] = picture
    return sheet


def save(sheet: Rgb, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, quality=84)
    print(f"{path}: {sheet.shape[1]}x{sheet.shape[0]}, {path.stat().st_size // 1024} KB")


def _small(picture: Rgb, width: int) -> Rgb:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
