"""Images and prompts for many shots at once: in turn, or by the parts of the song."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from soundreel.audio.structure.describe import Section, Structure
from soundreel.directing.spans import read_prompt
from soundreel.directing.text_file import read_text
from soundreel.errors import InputError, mention
from soundreel.media.image import FORMATS_HINT
from soundreel.options.shot_request import ShotRequest
from soundreel.types import Request

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif")
_HINT = "give a text file with a prompt on each line"
_MOST_BYTES = 1 << 20

Thing = TypeVar("Thing")


def read_images(images: tuple[Path, ...]) -> tuple[Path, ...]:
    """The pictures of a folder by their names, or the files as they are. Raises InputError."""
    if len(images) != 1 or not images[0].is_dir():
        return images
    found = sorted(path for path in images[0].iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError.about({"images": images}, "no picture in that folder", FORMATS_HINT)
    return tuple(found)


def read_prompts(path: Path, prompt: str) -> tuple[str, tuple[str, ...]]:
    """The request's prompt and the prompts for single shots, after reading a file of prompts: one a
    line, `#` begins a remark; or prompts in time, which become part of the request's prompt.

    Raises InputError.
    """
    lines = [
        line.strip()
        for line in read_text(path, "a list of prompts", _MOST_BYTES, _HINT).splitlines()
    ]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise InputError.about({"prompts": path}, "there is no prompt in that file")
    whole = " ".join(lines)
    if read_prompt(whole, "").spans:
        return f"{read_prompt(prompt, prompt).plain} {whole}", ()
    return prompt, tuple(lines)


def hand_out(
    request: Request, asked: tuple[ShotRequest, ...], heard: Callable[[], Structure]
) -> tuple[ShotRequest, ...]:
    """The shots with the request's `images` and `prompts`, where they have none of their own.

    Raises InputError where there is one shot only, or no part of a song to go by.
    """
    images, prompts = request.images, request.prompts
    assert isinstance(prompts, tuple), "read first"
    for name, things in (("images", images), ("prompts", prompts)):
        if len(things) > 1 and len(asked) == 1:
            raise InputError(
                f"{mention(name)} are handed out over shots, and there is one",
                hint=f"cut the video: {mention(shots='auto')}",
                fields={name: len(things)},
                rule="there are shots to hand them out over",
            )
    by_section = request.by_section and bool(images or prompts)
    turns = _parts(asked, heard().sections) if by_section else list(range(len(asked)))
    return tuple(
        replace(
            shot,
            image=_in_turn(shot.image, images, turn),
            prompt=_in_turn(shot.prompt, prompts, turn),
        )
        for shot, turn in zip(asked, turns, strict=True)
    )


def _in_turn(own: Thing | None, things: Sequence[Thing], turn: int) -> Thing | None:
    return own if own is not None or not things else things[turn % len(things)]


def _parts(asked: tuple[ShotRequest, ...], sections: Sequence[Section]) -> list[int]:
    """Of each shot the number of its part, parts of one name counted once: A B A C gives 0 1 0 2.
    A shot belongs where its first half second ends, since a cut may come a little early. Raises
    InputError where no parts were found."""
    if not sections:
        raise InputError.about(
            {"by_section": True},
            "no parts of a song are heard in this sound",
            hint="leave it out: images and prompts are handed out in turn then",
        )
    order = list(dict.fromkeys(section.name for section in sections))

    def part(time: Fraction) -> int:
        names = [section.name for section in sections if section.start <= time]
        return order.index(names[-1]) if names else 0

    return [part(shot.start + Fraction(1, 2)) for shot in asked]
