"""How pictures look, in numbers that can be averaged over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.media.oklab import to_oklab
from soundreel.types import Rgb

Floats = NDArray[np.float64]

SIDE = 48
"""Longer side of the small picture whose colours are counted."""

_LEAST_SPREAD = 0.01**2  # added to variances: one hundredth of black to white is no contrast


def measure(rgb: Rgb) -> Floats:
    """A picture's numbers, one after the other: mean (3) and second moments (9) of its colours in
    Oklab, the contrast (variance) of its coarse luma, three moments of its detail (the Laplacian
    of the luma, a common measure of focus) and that of what `Correction.sharpen` adds, then the
    small picture (h*w*3), also in Oklab."""
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    colours = to_oklab(small.reshape(-1, 3) / 255)
    moments = colours.T @ colours / len(colours)
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = cv2.Laplacian(luma, cv2.CV_32F)
    finer = cv2.Laplacian(luma - blurred(luma), cv2.CV_32F)
    contrast = (small @ (0.299, 0.587, 0.114)).var()
    sharp = [contrast, (detail**2).mean(), (detail * finer).mean(), (finer**2).mean()]
    return np.concatenate([colours.mean(axis=0), moments.ravel(), sharp, colours.ravel()])


def blurred(picture: NDArray[Any]) -> NDArray[Any]:
    """Each pixel with its neighbours, as 1 2 1 in both directions."""
    return cv2.GaussianBlur(picture, (3, 3), 0)


@dataclass(frozen=True, slots=True)
class Look:
    """The average of `measure` over some pictures."""

    numbers: Floats

    @property
    def mean(self) -> Floats:
        return self.numbers[:3]

    @property
    def covariance(self) -> Floats:
        second: Floats = self.numbers[3:12].reshape(3, 3) - np.outer(self.mean, self.mean)
        return second + _LEAST_SPREAD * np.eye(3)

    @property
    def detail(self) -> Floats:
        """Moments of the detail for each unit of contrast, which is not sharpness."""
        detail: Floats = self.numbers[13:16] / (self.numbers[12] + 1.0)
        return detail

    @property
    def small(self) -> Floats:
        """(pixels, 3): the small picture, less the mean of its colours."""
        small = self.numbers[16:].reshape(-1, 3)
        centred: Floats = small - small.mean(axis=0)
        return centred

    def detail_distance(self, other: Look) -> float:
        """Of the amount of fine detail, as a logarithm."""
        own, others = self.detail[0], other.detail[0]
        return float(abs(np.log((own + 1e-6) / (others + 1e-6))) / 2)


def root(matrix: Floats, power: float = 0.5) -> Floats:
    """The power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    found: Floats = (vectors * values**power) @ vectors.T
    return found
