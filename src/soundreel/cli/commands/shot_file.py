"""`soundreel plan -o FILE`: the list of shots as a file, to be edited or for editing programs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from soundreel.audio.structure.describe import describe
from soundreel.cli.terminal.say import name
from soundreel.directing.export import FORMATS, SUFFIXES, export
from soundreel.errors import InputError
from soundreel.events import Notice, RunControl
from soundreel.types import Plan, Request
from soundreel.work.files import write_atomic


def wanted(request: Request) -> tuple[Request, Path | None]:
    """The request, and the file that its shots shall be written to, if any. A list that is to be
    edited has seeds, so that one changed shot leaves the others as they are."""
    target = request.output
    if target is None or target.suffix not in SUFFIXES:
        return request, None
    if target.exists():
        raise InputError(f"{target} exists already", hint="choose another name, or remove it")
    seed = request.seed if request.seed >= 0 else secrets.randbelow(2**31)
    return replace(request, seed=seed, output=None), target


def write_shots(plan: Plan, target: Path, replay: Path | None, control: RunControl) -> None:
    """replay: the finished video that the plan comes from, which editors shall open."""
    video = replay if replay is not None and replay.suffix == ".mp4" else None
    media = video or plan.request.source.with_suffix(".mp4")
    beats = _beats(plan, control) if target.suffix in FORMATS else ()
    text = export(plan, target, media.name, beats)
    if target.suffix == ".toml":
        sound = name(plan.request.source)
        text = (
            f"# Shots of {sound}: times are those of the sound file, and each shot goes on to the\n"
            "# start of the next, or to its end. A shot may have: prompt, negative_prompt, image,\n"
            "# seed, speaker (whose sound drives it), options = { steps = 8 } (of the engine),\n"
            '# transition = "crossfade:0.5" (from the shot before it),\n'
            '# silent = [["0:12", "0:13.5"]], takes = { 2 = { seed = 7 } } (of its second part),\n'
            '# faces = [{ name = "anna", region = "left" }] (who speaks, where in the image).\n'
            f"# Make the video:  soundreel {sound} --shots {name(target)}\n\n{text}"
        )
    write_atomic(target, text.encode())
    control.emit(Notice(f"shots written: {target}"))


def _beats(plan: Plan, control: RunControl) -> Sequence[Fraction]:
    """In seconds of the video."""
    heard = describe(plan.audio, control)
    return [beat - plan.audio.start for beat in heard.beats]
