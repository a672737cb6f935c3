"""`soundreel probe`: what a sound or video file holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from soundreel.cli.commands.picture_file import require_png, write_png
from soundreel.cli.flags.arguments import JsonFlag, QuietFlag
from soundreel.cli.terminal.report import count, length
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.spelling import COMMANDS
from soundreel.errors import InputError
from soundreel.media.marks import ALGORITHMIC, COMPOSITE, TRAINED
from soundreel.timeline.grid import format_seconds
from soundreel.types import (
    DEFAULT_IMAGE_NEGATIVE_PROMPT,
    DEFAULT_IMAGE_PROMPT,
    DEFAULT_NEGATIVE_PROMPT,
    DEFAULT_PROMPT,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from soundreel.audio.load import AudioInfo
    from soundreel.finished.inspection import FileFacts
    from soundreel.video.reader import VideoInfo

_LAYOUTS = {1: "mono", 2: "stereo"}

_ORIGINS = {
    TRAINED: f"made by a trained model (IPTC {TRAINED})",
    ALGORITHMIC: f"made by an algorithm, no trained model (IPTC {ALGORITHMIC})",
    COMPOSITE: f"effects on a picture, no generative model (IPTC {COMPOSITE})",
}

_OURS = {
    "prompt": (DEFAULT_PROMPT, DEFAULT_IMAGE_PROMPT),
    "negative_prompt": (DEFAULT_NEGATIVE_PROMPT, DEFAULT_IMAGE_NEGATIVE_PROMPT),
}
"""Words that nobody typed."""


def probe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound or a video.")],
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw level, bands, beats, bars, sections, pauses and the shots that suit.",
        ),
    ] = None,
    shot_length: Annotated[
        str, typer.Option(metavar="MIN-MAX", help="Seconds of a shot, for --plot.")
    ] = "4-12",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,  # noqa: ARG001  (all commands take it; this one prints its answer)
) -> None:
    """Show what a sound or video file holds, and what soundreel wrote into it."""
    from soundreel.finished.inspection import probe as look

    facts = look(file)
    if plot is not None:
        _plot(facts, plot, shot_length)
    if as_json:
        say_json(_document(facts))
        return
    say(name(file.name))
    for title, text in _lines(facts):
        say(f"  {title:8} {name(text)}")


def _plot(facts: FileFacts, target: Path, shot_length: str) -> None:
    from soundreel.audio.structure.plot import plot
    from soundreel.options.table import read_field

    bounds = cast("tuple[Fraction, Fraction]", read_field("shot_length", shot_length))
    if facts.sound is None:
        raise InputError(f"{facts.path.name} has no sound to draw", hint="give a sound file")
    require_png(target)
    write_png(target, plot(facts.sound.clip, bounds))


def _lines(facts: FileFacts) -> Iterator[tuple[str, str]]:
    if facts.sound is not None:
        yield "sound", _sound(facts.sound)
    if len(facts.tracks) > 1:
        yield from (("", track.description) for track in facts.tracks)
    if facts.picture is not None:
        yield "picture", _picture(facts.picture)
    if facts.record is not None:
        yield from _made(facts.record, facts.path)
    elif facts.problem:
        yield "record", facts.problem


def _sound(sound: AudioInfo) -> str:
    layout = _LAYOUTS.get(sound.channels, sound.layout or f"{sound.channels} channels")
    return f"{length(sound.duration)}, {sound.rate} Hz, {layout}, {sound.codec}"


def _picture(picture: VideoInfo) -> str:
    return (
        f"{picture.width}x{picture.height}, {count(picture.num_frames, 'picture')}, "
        f"{format_seconds(picture.fps)} a second, {picture.codec}{', alpha' * picture.alpha}"
    )


def _made(record: Mapping[str, Any], file: Path) -> Iterator[tuple[str, str]]:
    """Records are of any version: what one does not say is left out."""
    request, engine = record["request"], record["engine"]
    version = record.get("versions", {}).get("soundreel", "")
    yield "made by", f"soundreel {version}, engine {engine.get('name', 'unknown')}"
    yield "from", ", ".join(about["name"] for about in record["inputs"].values())
    for key, ours in _OURS.items():
        if request.get(key, "") not in ("", *ours):
            yield key.removesuffix("_prompt"), request[key]
    if term := record.get("source_type"):
        yield "marked", _ORIGINS.get(term, str(term))
    if "seed" in record:
        yield "seed", str(record["seed"])
    command = COMMANDS.get(request.get("kind", "sound"), "soundreel")
    yield "again", f"{command} --from {shlex.quote(str(file))}"


def _document(facts: FileFacts) -> dict[str, object]:
    from soundreel.record import to_json

    found: dict[str, object] = {"file": facts.path.name}
    if (sound := facts.sound) is not None:
        found["sound"] = {
            "seconds": float(sound.duration),
            "samples": sound.num_samples,
            "rate": sound.rate,
            "channels": sound.channels,
            "layout": sound.layout,
            "codec": sound.codec,
            "container": sound.container,
        }
    if len(facts.tracks) > 1:
        found["sound tracks"] = [track.description for track in facts.tracks]
    if facts.picture is not None:
        picture = to_json(facts.picture)
        found["picture"] = {key: picture[key] for key in picture if key not in ("path", "tags")}
    if facts.record is not None or facts.problem:
        found["made by soundreel"] = facts.record or facts.problem
    return found
