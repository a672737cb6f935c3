"""The shots of a plan as a list to edit, in the form that `shot_list` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from soundreel.errors import InputError
from soundreel.timeline.grid import format_clock, format_seconds
from soundreel.types import (
    DEFAULT_NEGATIVE_PROMPT,
    DEFAULT_PROMPT,
    Face,
    Plan,
    Request,
    ShotRequest,
)


def shot_list_text(plan: Plan, path: Path) -> str:
    """`path` is where the list will lie: images are named from there. Raises InputError."""
    asked = plan.request.shot_list or (ShotRequest(start=plan.audio.start, seed=_seed(plan)),)
    ends = [shot.start for shot in asked[1:]] + [plan.audio.sound_end]
    tables = []
    for number, (shot, end) in enumerate(zip(asked, ends, strict=True), 1):
        head = f"[[shot]]  # {number}: {format_seconds(end - shot.start)} s"
        tables.append("\n".join([head, *_lines(plan.request, shot, path)]))
    return "\n\n".join(tables) + "\n"


def _seed(plan: Plan) -> int | None:
    return plan.request.seed if plan.request.seed >= 0 else None


def _lines(request: Request, shot: ShotRequest, path: Path) -> Iterator[str]:
    """The request's own words are written down too: the list then says them by itself."""
    yield f"start = {_toml(format_clock(shot.start))}"
    if shot.end is not None and shot is request.shot_list[-1]:
        yield f"end = {_toml(format_clock(shot.end))}"
    prompt = request.prompt if shot.prompt is None else shot.prompt
    yield '# prompt = ""' if prompt == DEFAULT_PROMPT else f"prompt = {_toml(prompt)}"
    negative = request.negative_prompt if shot.negative_prompt is None else shot.negative_prompt
    if negative != DEFAULT_NEGATIVE_PROMPT:
        yield f"negative_prompt = {_toml(negative)}"
    image = request.image if shot.image is None else shot.image
    if image is not None:
        yield f"image = {_toml(_from(path, image))}"
    if shot.seed is not None:
        yield f"seed = {shot.seed}"
    if shot.transition is not None:
        yield f"transition = {_toml(shot.transition)}"
    if shot.speaker is not None:
        yield f"speaker = {_toml(shot.speaker)}"
    if shot.silent:
        spans = [[format_clock(start), format_clock(end)] for start, end in shot.silent]
        yield f"silent = {_toml(spans)}"
    if shot.faces:
        yield f"faces = [{', '.join(_face(face, path) for face in shot.faces)}]"
    if shot.options:
        yield f"options = {_table(shot.options)}"
    if shot.takes:
        takes = (f"{number} = {_table(take.said)}" for number, take in shot.takes.items())
        yield f"takes = {{ {', '.join(takes)} }}"


def _table(values: Mapping[str, object]) -> str:
    return f"{{ {', '.join(f'{name} = {_toml(value)}' for name, value in values.items())} }}"


def _face(face: Face, path: Path) -> str:
    mask = face.region.mask
    region = str(face.region) if mask is None else _from(path, mask)
    said: dict[str, object] = {"name": face.name, "region": region}
    if face.speaks:
        spans = [[format_clock(start), format_clock(end)] for start, end in face.speaks]
        said["speaks"] = spans
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in said.items()) + " }"


def _from(path: Path, image: Path) -> str:
    try:
        return Path(os.path.relpath(image, path.parent)).as_posix()
    except ValueError:  # another drive
        return image.absolute().as_posix()


def _toml(value: object) -> str:
    """A text, a number, or a list of these, as TOML has it: JSON's form, but for one sign."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise InputError(
            f"{value!r} cannot stand in a list of shots: its name is not Unicode",
            hint="rename the file",
        ) from err
    return text
