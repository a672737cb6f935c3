"""`soundreel probe`: what a sound or video file holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.flags.arguments import JsonFlag, QuietFlag
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.errors import InputError, SoundreelError


def probe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound or a video.")],
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,  # noqa: ARG001  (all commands take it; this one prints its answer)
) -> None:
    """Show what a sound or video file holds, and what soundreel wrote into it."""
    facts = _probe_facts(file)
    if as_json:
        say_json(facts)
        return
    for kind, values in facts.items():
        if isinstance(values, dict):
            told = ", ".join(f"{key} {value}" for key, value in values.items() if value != "")
            say(f"{kind}: {name(told)}")
        elif isinstance(values, list):
            say(f"{kind}:")
            for value in values:
                say(f"  {name(value)}")
        else:
            say(f"{kind}: {name(values)}")


def _probe_facts(file: Path) -> dict[str, Any]:
    from soundreel.audio.load import probe as probe_audio
    from soundreel.audio.reading.tracks import list_tracks
    from soundreel.record import TAG, to_json
    from soundreel.video.reader import probe_video, read_tags

    facts: dict[str, Any] = {"file": file.name}
    failures: list[SoundreelError] = []
    try:
        info = probe_audio(file)
        facts["sound"] = {
            "seconds": float(info.duration),
            "samples": info.num_samples,
            "rate": info.rate,
            "channels": info.channels,
            "layout": info.layout,
            "codec": info.codec,
            "container": info.container,
        }
        tracks = list_tracks(file)
        if len(tracks) > 1:
            facts["sound tracks"] = [track.description for track in tracks]
    except SoundreelError as err:
        failures.append(err)
    try:
        video = to_json(probe_video(file))
        facts["picture"] = {
            name: value for name, value in video.items() if name not in ("path", "tags")
        }
    except SoundreelError as err:
        failures.append(err)
    with suppress(SoundreelError):  # of an animated WebP FFmpeg before 8.2 shows no picture
        if record := read_tags(file).get(TAG):
            facts["made by soundreel"] = _record_facts(record, file)
    if len(failures) == 2 and len(facts) == 1:
        raise failures[0]
    return facts


def _record_facts(text: str, file: Path) -> object:
    from soundreel.record import read_record

    try:
        return read_record(text, file)
    except InputError as err:
        return err.message
