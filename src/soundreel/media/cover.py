"""The picture inside a sound file, and which picture a request shows."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition

from soundreel.errors import InputError
from soundreel.media.container import open_media
from soundreel.media.image import load_image, read_image
from soundreel.types import Plan, Request, Rgb, Shot

MOST_BYTES = 64 << 20
"""Of a cover as it is stored."""


def load_cover(path: Path | None) -> Rgb | None:
    """The first picture that is attached to the sound; None where there is none, or no sound.
    Raises InputError where it cannot be shown, as `load_image`."""
    if path is None:
        return None
    with open_media(path) as container:
        data = attached_picture(container)
    if data is None:
        return None
    named = path.with_name(f"cover of {path.name}")
    if len(data) > MOST_BYTES:
        raise InputError(f"the {named.name} is too large: {len(data)} bytes", hint="remove it")
    return read_image(BytesIO(data), named)


def reference_image(request: Request, *, unasked: bool = False) -> Rgb | None:
    """What the request shows: its image, or the sound's cover where it takes that. unasked: also
    where nobody said whether; then one that cannot be shown is no error. Raises InputError."""
    if request.image is not None:
        return load_image(request.image)
    if request.cover:
        return load_cover(request.sound)
    if unasked and request.cover is None:
        try:
            return load_cover(request.sound)
        except InputError:
            return None
    return None


def shot_picture(plan: Plan, shot: Shot) -> Rgb | None:
    """What a shot shows: its image, or else the sound's cover where the request takes that. Raises
    InputError."""
    if shot.image is not None:
        return load_image(shot.image)
    return load_cover(plan.request.sound) if plan.request.cover else None


def attached_picture(container: InputContainer) -> bytes | None:
    """The first picture that is no track of its own, as it is stored; None where there is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            packet = next(container.demux(stream), None)
            return None if packet is None or not packet.size else bytes(packet)
    return None
