"""`soundreel doctor` and `soundreel engines`: what can run here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from soundreel import registry
from soundreel.cli.flags.arguments import (
    Cluster,
    ConfigFile,
    JsonFlag,
    ModelsDir,
    QuietFlag,
    Url,
    make_settings,
)
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.spelling import spell
from soundreel.config import Settings, default_config_path
from soundreel.errors import EngineUnavailable, mention
from soundreel.safe.text import shown
from soundreel.types import Check
from soundreel.work.room import bytes_text

_MARKS = {
    "ok": "[green]ok[/green]",
    "without": "[yellow]without[/yellow]",
    "missing": "[red]missing[/red]",
}

SUMMARIES = {
    "wan": "Wan 2.2 S2V 14B in this process (needs a GPU and the weight files)",
    "comfyui": "Wan 2.2 S2V on your own ComfyUI server (needs its address: --url)",
    "preview": "audio-reactive pictures on the CPU, in seconds (needs nothing)",
}


def doctor(
    url: Url = None,
    models_dir: ModelsDir = None,
    cluster: Cluster = None,
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
    given = {"url": url, "models_dir": models_dir, "cluster": cluster}
    settings = make_settings(given, config)
    found = _found(settings) if settings.cluster is None else _on_nodes(settings.cluster)
    machine = _machine(settings, config)
    if report is not None:
        from soundreel.cli.commands.bugreport import write_report

        write_report(report, settings, config, found)
    if as_json:
        checks = {engine: _checks_json(checks) for engine, checks in found.items()}
        say_json({**checks, "machine": machine}, indent=None)
    else:
        _print_checks(found, machine, quiet=quiet)
        if report is not None:
            say(f"report written: {name(report)}")
    if url is not None and cluster is None and not all(check.serves for check in found["comfyui"]):
        raise typer.Exit(EngineUnavailable.exit_code)  # the server that was named cannot serve


def _print_checks(found: dict[str, list[Check]], machine: dict[str, str], *, quiet: bool) -> None:
    console = Console(highlight=False)
    for engine, checks in found.items():
        ready = all(check.serves for check in checks)
        console.print(f"[bold]{_cell(engine)}[/bold]: {'ready' if ready else 'not ready'}")
        if not quiet:
            for line in (line for check in checks for line in _lines(check)):
                console.print(line, soft_wrap=True)
    if not quiet:
        console.print("[bold]this machine[/bold]")
        for title, text in machine.items():
            console.print(f"  {title + ':':17}{_cell(text)}", soft_wrap=True)


def engines(as_json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """List the engines."""
    names = registry.engine_names()
    if as_json:
        say_json({engine: SUMMARIES.get(engine, "") for engine in names})
        return
    for engine in names:
        about = SUMMARIES.get(engine, "from another package")
        about += "; of images too" if engine in registry.engine_names("image") else ""
        say(name(engine) if quiet else f"{name(engine):10} {about}")


def _found(settings: Settings) -> dict[str, list[Check]]:
    """Of each engine; of images once more where that needs other things."""
    found = {engine: registry.checks(engine, settings) for engine in registry.engine_names()}
    for engine in registry.engine_names("image"):
        checks = registry.checks(engine, settings, "image")
        if checks != found.get(engine):
            found[f"{engine}, image to video"] = checks
    return found


def _on_nodes(cluster: str) -> dict[str, list[Check]]:
    """Of each node of a cluster."""
    from soundreel.farm.cluster import nodes_of

    return {f"node {node}": list(checks) for node, checks in nodes_of(cluster)}


def _checks_json(checks: list[Check]) -> dict[str, object]:
    from soundreel.record import to_json

    return {"ready": all(check.serves for check in checks), "checks": to_json(checks)}


def _lines(check: Check) -> Iterator[str]:
    """What is to be copied is never broken: the hint's parts have lines of their own, which the
    window alone may wrap."""
    mark = "ok" if check.ok else "without" if check.optional else "missing"
    yield f"  {_MARKS[mark]}{' ' * (9 - len(mark))}{_cell(check.name)}: {_cell(spell(check.found))}"
    if not check.ok:
        yield from (f"{' ' * 11}{_cell(part)}" for part in spell(check.hint).split("; ") if part)


def _machine(settings: Settings, config: Path | None) -> dict[str, str]:
    """Where this machine's settings are read from, and where things go."""
    file = config or default_config_path()
    return {
        "config file": f"{file}{'' if file.exists() else ' (not there, none is needed)'}",
        "unfinished jobs": _place(settings.work_dir),
        "videos": _place(settings.output_dir),
        "FILM": spell(_network("film", settings)),
        "RIFE": spell(_network("rife", settings)),
    }


def _network(method: str, settings: Settings) -> str:
    """What makes the pictures between with any engine."""
    from soundreel.engines.wan.files.selection import find_network
    from soundreel.post.interpolate import require_packages

    try:
        require_packages(method)
        return (
            f"{find_network(method, settings.models_dir).name}, for {mention(interpolate=method)}"
        )
    except EngineUnavailable as err:
        return f"{err.message}; {err.hint}"


def _place(folder: Path) -> str:
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{folder} ({bytes_text(shutil.disk_usage(existing).free)} free)"


def _cell(text: str) -> str:
    """Rich reads "soundreel[wan]" as markup, and passes control characters on."""
    return escape(shown(text))
