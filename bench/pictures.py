"""Pictures for benches and galleries, made in code: landscapes, a cover, logos, a drawn face."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from soundreel.types import Rgb

INK = (30, 30, 40)


def mountains(width: int, height: int) -> Rgb:
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


def trees(width: int, height: int) -> Rgb:
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


def cover(side: int) -> Rgb:
    """A landscape with a title below."""
    picture = Image.fromarray(mountains(side, side))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(round(0.15 * side))
    draw.rectangle((0, round(0.78 * side), side, side), fill=(20, 30, 60))
    draw.text((0.05 * side, 0.79 * side), "RIDGES", font=font, fill=(255, 230, 180))
    return np.asarray(picture, np.uint8)


def logo(word: str, level: int) -> Rgb:
    """(h, w, 4): a word in one grey, clear all around."""
    font = ImageFont.load_default(150)
    width = round(font.getlength(word))
    picture = Image.new("RGBA", (width + 40, 220), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((20, 20), word, font=font, fill=(level, level, level, 255))
    return np.asarray(picture, np.uint8)


def face(side: int) -> Rgb:
    """A drawn one, in few lines."""
    picture = np.full((side, side, 3), (200, 220, 230), np.uint8)
    unit = side / 600

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * unit), round(y * unit)

    for colour, width in (((250, 200, 150), -1), (INK, round(6 * unit))):
        cv2.ellipse(picture, at(300, 300), at(190, 230), 0, 0, 360, colour, width, cv2.LINE_AA)
    for x in (230, 370):
        for dx, radius, colour in ((0, 27, INK), (0, 23, (255, 255, 255)), (4, 11, INK)):
            cv2.circle(picture, at(x + dx, 250 + dx), at(radius, 0)[0], colour, -1, cv2.LINE_AA)
    cv2.line(picture, at(300, 290), at(290, 340), INK, at(5, 0)[0], cv2.LINE_AA)
    cv2.ellipse(picture, at(300, 380), at(70, 26), 0, 10, 170, (180, 40, 40), 6, cv2.LINE_AA)
    return picture


def _rough(width: int, height: int, seed: int) -> np.ndarray:
    """(height, width) noise of several sizes."""
    random = np.random.default_rng(seed)
    out = np.zeros((height, width))
    for octave in range(6):
        grid = (max(2, height * 2**octave // 300), max(2, width * 2**octave // 300))
        out += cv2.resize(random.normal(size=grid), (width, height), None, 0, 0, 2) / 2**octave
    return out
