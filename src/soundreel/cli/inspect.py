"""Commands that look and change nothing: probe, doctor, engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from soundreel import registry
from soundreel.cli.arguments import ConfigFile, JsonFlag, ModelsDir, QuietFlag, Url, make_settings
from soundreel.cli.say import name, say, say_json
from soundreel.cli.spelling import spell
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable, InputError, SoundreelError
from soundreel.safe.text import shown
from soundreel.types import Check

SUMMARIES = {
    "wan": "Wan 2.2 S2V 14B in this process (needs a GPU and the weight files)",
    "comfyui": "Wan 2.2 S2V on your own ComfyUI server (needs its address: --url)",
    "preview": "audio-reactive pictures on the CPU, in seconds (needs nothing)",
}


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


def doctor(
    url: Url = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Write what a bug report needs, without secrets."
        ),
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what can run here, what is missing, and how to get it."""
    settings = make_settings({"url": url, "models_dir": models_dir}, config)
    found = {engine: _diagnose(engine, settings) for engine in registry.engine_names()}
    if report is not None:
        from soundreel.cli.bugreport import write_report

        write_report(report, settings, config, found)
    if as_json:
        say_json({engine: _checks_json(checks) for engine, checks in found.items()}, indent=None)
    else:
        _print_checks(found, quiet=quiet)
        if report is not None:
            say(f"report written: {name(report)}")
    if url is not None and not all(check.serves for check in found["comfyui"]):
        raise typer.Exit(EngineUnavailable.exit_code)  # the server that was named cannot serve


def _print_checks(found: dict[str, list[Check]], *, quiet: bool) -> None:
    console = Console(highlight=False)
    for engine, checks in found.items():
        ready = all(check.serves for check in checks)
        console.print(f"[bold]{_cell(engine)}[/bold]: {'ready' if ready else 'not ready'}")
        if not quiet:
            console.print(_table(checks))


def engines(as_json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """List the engines."""
    names = registry.engine_names()
    if as_json:
        say_json({engine: SUMMARIES.get(engine, "") for engine in names})
        return
    for engine in names:
        about = SUMMARIES.get(engine, "from another package")
        say(name(engine) if quiet else f"{name(engine):10} {about}")


def _probe_facts(file: Path) -> dict[str, Any]:
    from soundreel.audio.load import probe as probe_audio
    from soundreel.audio.reading.tracks import list_tracks
    from soundreel.record import TAG, to_json
    from soundreel.video.reader import probe_video

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
        tags = video.pop("tags", {})
        facts["picture"] = {name: value for name, value in video.items() if name != "path"}
        if TAG in tags:
            facts["made by soundreel"] = _record_facts(tags[TAG], file)
    except SoundreelError as err:
        failures.append(err)
    if len(failures) == 2:
        raise failures[0]
    return facts


def _record_facts(text: str, file: Path) -> object:
    from soundreel.record import read_record

    try:
        return read_record(text, file)
    except InputError as err:
        return err.message


def _diagnose(name: str, settings: Settings) -> list[Check]:
    try:
        return list(registry.diagnose(name, settings))
    except SoundreelError as err:
        return [Check(name, ok=False, found=err.message, hint=err.hint)]


def _checks_json(checks: list[Check]) -> dict[str, object]:
    from soundreel.record import to_json

    return {"ready": all(check.serves for check in checks), "checks": to_json(checks)}


def _table(checks: list[Check]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for share in (None, 2, 3, 4):
        table.add_column(ratio=share, overflow="fold")
    for check in checks:
        lacking = "[yellow]without[/yellow]" if check.optional else "[red]missing[/red]"
        mark = "[green]ok[/green]" if check.ok else lacking
        said = (check.name, spell(check.found), spell(check.hint) if not check.ok else "")
        table.add_row(mark, *map(_cell, said))
    return table


def _cell(text: str) -> str:
    """Rich reads "soundreel[wan]" as markup, and passes control characters on."""
    return escape(shown(text))
