"""`soundreel doctor` and `soundreel engines`: what can run here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from soundreel import registry
from soundreel.cli.flags.arguments import (
    ConfigFile,
    JsonFlag,
    ModelsDir,
    QuietFlag,
    Url,
    make_settings,
)
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.spelling import spell
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable, SoundreelError
from soundreel.safe.text import shown
from soundreel.types import Check

SUMMARIES = {
    "wan": "Wan 2.2 S2V 14B in this process (needs a GPU and the weight files)",
    "comfyui": "Wan 2.2 S2V on your own ComfyUI server (needs its address: --url)",
    "preview": "audio-reactive pictures on the CPU, in seconds (needs nothing)",
}


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
        from soundreel.cli.commands.bugreport import write_report

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
