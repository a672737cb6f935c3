"""Versions of what decides the bytes of a video."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from soundreel.video.writer import encoder_identity


def soundreel_version() -> str:
    try:
        return version("soundreel")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"


def versions() -> dict[str, str]:
    """Our own, and the encoder's with its options."""
    return {"soundreel": soundreel_version(), "encoder": encoder_identity()}
