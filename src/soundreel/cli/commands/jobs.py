"""`soundreel jobs`: what is unfinished, how to go on with it, how to be rid of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.flags.arguments import (
    Cluster,
    ConfigFile,
    JsonFlag,
    ModelsDir,
    QuietFlag,
    Url,
    WorkDir,
    Workers,
    make_settings,
)
from soundreel.cli.flags.help import HelpfulCommand, HelpfulGroup
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.watching import say_interpolated, say_result, watched
from soundreel.errors import InputError
from soundreel.work.listing import ListedJob, find_job, list_jobs, remove_job
from soundreel.work.room import bytes_text

app = typer.Typer(cls=HelpfulGroup, help="List unfinished jobs, go on with one, remove some.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="The job's key, or its first letters.")]


@app.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    work_dir: WorkDir = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
) -> None:
    if context.invoked_subcommand is None:
        show(work_dir, config, as_json)
    elif work_dir or config or as_json:
        command = context.invoked_subcommand
        raise InputError(
            f"options stand before {command}", hint=f"write: soundreel jobs {command} OPTIONS"
        )


@app.command("list", cls=HelpfulCommand)
def show(work_dir: WorkDir = None, config: ConfigFile = None, as_json: JsonFlag = False) -> None:
    """Show each unfinished job: what it makes, how far it is, its size and age."""
    folder = make_settings({"work_dir": work_dir}, config).work_dir
    found = list_jobs(folder)
    if as_json:
        say_json({"work_dir": str(folder), "jobs": [_json(job) for job in found]})
        return
    if not found:
        say(f"no unfinished job in {name(folder)}")
    for job in found:
        say(_line(job))
    if found:
        say(f"in {name(folder)}")
        say("go on: soundreel jobs resume KEY; remove: soundreel jobs remove KEY")


@app.command("resume", cls=HelpfulCommand)
def resume(
    key: Key,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    work_dir: WorkDir = None,
    workers: Workers = None,
    cluster: Cluster = None,
    url: Url = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Finish a job, from wherever you are."""
    from soundreel.api import resume as finish
    from soundreel.framerate.run import resume as go_on

    given = {
        "work_dir": work_dir,
        "workers": workers,
        "cluster": cluster,
        "url": url,
        "models_dir": models_dir,
    }
    settings = make_settings(given, config)
    job = find_job(settings.work_dir, key)
    with watched(silent=quiet or as_json) as control:
        if "video" in job.asked.get("files", {}):
            made = go_on(job, settings, control, overwrite=overwrite)
            say_interpolated(made, quiet=quiet, as_json=as_json)
            return
        result = finish(job, settings, control, overwrite=overwrite)
    say_result(result, quiet=quiet, as_json=as_json)


@app.command("remove", cls=HelpfulCommand)
def remove(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="Keys, or their first letters.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that no process works on.")
    ] = False,
    work_dir: WorkDir = None,
    config: ConfigFile = None,
) -> None:
    """Remove unfinished jobs and what they made. One that runs is left alone."""
    folder = make_settings({"work_dir": work_dir}, config).work_dir
    if bool(keys) == everything:
        raise InputError("no job named", hint="soundreel jobs remove KEY, or --all")
    chosen = (
        [job for job in list_jobs(folder) if not job.running]
        if everything
        else [find_job(folder, key) for key in keys or ()]
    )
    for job in chosen:
        remove_job(folder, job)
        say(f"removed {job.key[:8]} ({_what(job)}, {bytes_text(job.size)})")


def _line(job: ListedJob) -> str:
    total = job.asked.get("chunks")
    done = f"{job.sealed} of {total} parts" if total else f"{job.sealed} parts"
    state = "running now" if job.running else f"{_age(time.time() - job.touched)} ago"
    return f"{job.key[:8]}  {_what(job)}: {done}, {bytes_text(job.size)}, {state}"


def _what(job: ListedJob) -> str:
    """What it is made of, the engine, and the output where it is known."""
    source = _source(job)
    output = job.facts.get("output") or job.asked.get("request", {}).get("output")
    made = name(Path(source).name) if isinstance(source, str) else "by an earlier version"
    engine = job.facts.get("engine")
    named = f", {name(engine)}" if isinstance(engine, str) else ""
    return f"{made}{named}" + (f" -> {name(Path(output).name)}" if isinstance(output, str) else "")


def _source(job: ListedJob) -> object:
    files = job.asked.get("files", {})
    of_image = job.asked.get("kind") == "image"
    order = ("image", "audio") if of_image else ("audio", "video")
    return next((files[name] for name in order if name in files), None)


def _age(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _json(job: ListedJob) -> dict[str, Any]:
    return {
        "key": job.key,
        "sound": _source(job),
        "engine": job.facts.get("engine"),
        "output": job.facts.get("output") or job.asked.get("request", {}).get("output"),
        "sealed_chunks": job.sealed,
        "chunks": job.asked.get("chunks"),
        "bytes": job.size,
        "touched": job.touched,
        "running": job.running,
    }
