"""What a platform wants, in one word. The sources of the figures are in docs/delivery.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundreel.options.sizes import parse_size


@dataclass(frozen=True, slots=True)
class Platform:
    """size: as people write it; fps: pictures a second; loudness: LUFS; crf: H.264's."""

    size: str
    fps: int
    loudness: float
    crf: int


PLATFORMS: Mapping[str, Platform] = {
    "youtube": Platform("1080p", 30, -14, 16),
    "reels": Platform("reel", 30, -14, 18),
    "tiktok": Platform("reel", 30, -14, 18),
    "podcast": Platform("1080p", 30, -16, 18),
}


PLATFORM_FIELDS = ("width", "height", "fps", "encoding.loudness", "encoding.crf")
"""What a platform sets."""


def read_platform(value: object) -> tuple[object, ...]:
    """A value for each of `PLATFORM_FIELDS`."""
    if not isinstance(value, str) or value not in PLATFORMS:
        raise ValueError(f"one of {', '.join(PLATFORMS)}")
    platform = PLATFORMS[value]
    return *parse_size(platform.size), platform.fps, platform.loudness, platform.crf


def with_platform(wanted: Mapping[str, object], chosen: Mapping[str, object]) -> dict[str, object]:
    """What a platform wants, where nothing else is chosen, by paths from the request."""
    values = {**wanted, **chosen}
    if chosen.get("encoding.audio_codec") == "copy" and "encoding.loudness" not in chosen:
        values.pop("encoding.loudness", None)  # a copy is as loud as it is
    if not _is_h264(chosen) and "encoding.crf" not in chosen:
        values.pop("encoding.crf", None)  # other codecs have scales of their own
    return values


def _is_h264(chosen: Mapping[str, object]) -> bool:
    codec = chosen.get("encoding.codec") or "h264"
    ending = Path(str(chosen.get("output") or "")).suffix.lower().removeprefix(".")
    container = chosen.get("encoding.container") or ending
    return codec == "h264" and container not in ("webm", "gif", "webp")
