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


def with_platform(
    before: Mapping[str, object], wanted: Mapping[str, object], chosen: Mapping[str, object]
) -> dict[str, object]:
    """Values by paths from the request: what was said `before`, in the config file; over it what a
    platform wants; over that what is chosen beside it."""
    known = {**before, **chosen}
    fitting = {path: value for path, value in wanted.items() if _fits(path, known)}
    return {**before, **fitting, **chosen}


def _fits(path: str, known: Mapping[str, object]) -> bool:
    """A copy is as loud as it is, and other codecs have scales of quality of their own."""
    if path == "encoding.loudness":
        return known.get("encoding.audio_codec") != "copy"
    return path != "encoding.crf" or _is_h264(known)


def _is_h264(known: Mapping[str, object]) -> bool:
    codec = known.get("encoding.codec") or "h264"
    ending = Path(str(known.get("output") or "")).suffix.lower().removeprefix(".")
    container = known.get("encoding.container") or ending
    plain = codec == "h264" and not known.get("encoding.alpha")
    return plain and container not in ("webm", "gif", "webp")
