"""Versions of what decides the bytes of a video."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from soundreel.types import Interpolation
from soundreel.video.writer import encoder_identity


def soundreel_version() -> str:
    try:
        return version("soundreel")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"


def versions(interpolation: Interpolation) -> dict[str, str]:
    """Our own, the encoder's with its options, and OpenCV's where it makes pictures in between."""
    found = {"soundreel": soundreel_version(), "encoder": encoder_identity()}
    if interpolation.method != "none" and not interpolation.by_engine:
        found["opencv"] = version("opencv-python-headless")
    return found
