"""`soundreel models`: which weight files lie on this machine, what is missing, how to get it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundreel.cli.flags.arguments import ConfigFile, JsonFlag, ModelsDir, make_settings
from soundreel.cli.flags.help import HelpfulCommand, HelpfulGroup
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.errors import InputError, WorkError
from soundreel.safe.text import shown

if TYPE_CHECKING:
    from soundreel.engines.wan.files.lookup import Found, WeightSet

app = typer.Typer(
    cls=HelpfulGroup, help="Show, fetch and check the weight files of the wan engine and of FILM."
)


@app.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
) -> None:
    if context.invoked_subcommand is None:
        show(models_dir, config, as_json)
    elif models_dir or config or as_json:
        command = context.invoked_subcommand
        raise InputError(
            f"options stand before {command}", hint=f"write: soundreel models {command} OPTIONS"
        )


@app.command("list", cls=HelpfulCommand)
def show(
    models_dir: ModelsDir = None, config: ConfigFile = None, as_json: JsonFlag = False
) -> None:
    """Show what is found where, what it is, what is missing and how to get it."""
    from soundreel.engines.wan.files.lookup import choose, scan
    from soundreel.engines.wan.files.places import places

    where = places(make_settings({"models_dir": models_dir}, config).models_dir)
    found = list(scan(where))
    chosen = choose(found)
    if as_json:
        looked_in = [{"origin": place.origin, "folder": str(place.folder)} for place in where]
        say_json({**_json(found, chosen), "looked_in": looked_in})
        return
    slots = (*_slot_lines(chosen), *_image_lines(found), *_film_lines(found))
    for line in (*slots, *_other_lines(found, chosen), *_faulty_lines(found)):
        say(line)
    say("looked in:" if where else "looked nowhere: no models folder is known")
    for place in where:
        say(f"  {name(place.folder)} ({place.origin})")


@app.command(cls=HelpfulCommand)
def pull(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[SET]",
            help="fp8 (default, about 25 GB), bf16 (about 46 GB), GGUF: gguf-q2_k to gguf-q8_0, "
            "e.g. gguf-q4_k_m (about 20 GB); for image-to-video i2v (about 38 GB), or "
            "i2v-gguf-q4_k_m and so on; or film (69 MB).",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="A models folder; default: the hub's cache."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Branch, tag or commit of the repositories."),
    ] = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
) -> None:
    """Fetch the published files that are missing here. Run it again after a stop: it goes on."""
    from soundreel.engines.wan.files import catalog, download
    from soundreel.engines.wan.files.lookup import choose, scan
    from soundreel.engines.wan.files.places import places

    folders = make_settings({"models_dir": models_dir}, config).models_dir
    found = list(scan(places((*folders, *([to] if to else [])))))
    wanted = download.missing_files(catalog.files_of(which or "fp8"), found)
    if which is None:  # any usable file fills a slot then
        filled = {slot.name for slot in catalog.SLOTS if slot.required}
        filled -= {slot.name for slot in choose(found).missing}
        wanted = [file for file in wanted if file.slot not in filled]
    if not wanted:
        say("nothing is missing: see soundreel models")
        return
    for path in download.pull(wanted, to, _report, revision=revision):
        say(f"  {name(path)}")
    if to is not None and to.resolve() not in {folder.resolve() for folder in folders}:
        say(f"tell soundreel of this folder: --models-dir {name(to)}, or models_dir in its config")


@app.command(cls=HelpfulCommand)
def verify(
    models_dir: ModelsDir = None, config: ConfigFile = None, as_json: JsonFlag = False
) -> None:
    """Compare the files with what is known of them (reads all of them)."""
    from soundreel.engines.wan.files import download
    from soundreel.engines.wan.files.lookup import scan
    from soundreel.engines.wan.files.places import places

    folders = make_settings({"models_dir": models_dir}, config).models_dir
    known = [item for item in scan(places(folders)) if item.kind.name != "UNKNOWN"]
    verdicts = [download.verify(item) for item in known]
    if as_json:
        rows = [{"path": str(v.path), "ok": v.ok, "text": v.text} for v in verdicts]
        say_json(rows)
    else:
        for verdict in verdicts:
            mark = {True: "ok     ", False: "DAMAGED", None: "?      "}[verdict.ok]
            say(f"{mark} {name(verdict.path)}: {verdict.text}")
    damaged = [verdict.path.name for verdict in verdicts if verdict.ok is False]
    if damaged:
        raise WorkError(
            f"{len(damaged)} of {len(verdicts)} files are not what was published: "
            f"{', '.join(damaged)}",
            hint="delete them and run: soundreel models pull",
        )


def _slot_lines(chosen: WeightSet) -> list[str]:
    from soundreel.engines.wan.files.catalog import PUBLISHED, SLOTS

    lines = []
    for slot in (slot for slot in SLOTS if slot.required):
        item: Found | None = getattr(chosen, slot.name)
        if item is not None:
            lines.append(f"ok      {slot.name:14} {_about(item)}")
            continue
        name = next(file.name for file in PUBLISHED if file.slot == slot.name)
        lines.append(f"missing {slot.name:14} {slot.kind.value}")
        lines.append(f"        {'':14} fetch it: soundreel models pull")
        if slot.name == "transformer":
            lines.append(f"        {'':14} for a small card: soundreel models pull gguf-q4_k_m")
        lines.append(f"        {'':14} or put {name} into models/{slot.folders[0]}")
    return lines


def _image_lines(found: Sequence[Found]) -> list[str]:
    lines = []
    for slot, item in _experts(found).items():
        if item is None:
            lines.append(f"none    {slot:14} only for image-to-video: soundreel models pull i2v")
        else:
            lines.append(f"ok      {slot:14} {_about(item)}")
    return lines


def _experts(found: Sequence[Found]) -> dict[str, Found | None]:
    from soundreel.engines.wan.image.files import usable
    from soundreel.engines.wan22_i2v import EXPERTS

    return {f"{expert}_noise": usable(expert, found) for expert in EXPERTS}


def _film_lines(found: Sequence[Found]) -> list[str]:
    from soundreel.engines.wan.files.selection import usable_film

    film = usable_film(found)
    if film is not None:
        return [f"ok      {'film':14} {_about(film)}"]
    return [f"none    {'film':14} only for --interpolate film: soundreel models pull film"]


def _other_lines(found: Sequence[Found], chosen: WeightSet) -> list[str]:
    from soundreel.engines.wan.files.catalog import SLOTS
    from soundreel.engines.wan.files.selection import usable_film

    used = {getattr(chosen, slot.name) for slot in SLOTS if slot.required}
    used |= {usable_film(found), *_experts(found).values()}
    others = [item for item in found if item not in used and item.kind.name != "UNKNOWN"]
    return ["also found:", *(f"  {_about(item)}" for item in others)] if others else []


def _faulty_lines(found: Sequence[Found]) -> list[str]:
    """A line for each file that cannot be read, whatever it may be."""
    faulty = [item for item in found if item.kind.name == "UNKNOWN" and item.problem]
    return ["cannot be read:", *(f"  {shown(item.problem)}" for item in faulty)] if faulty else []


def _report(text: str) -> None:
    """What a download says, a mirror's address among it."""
    say(shown(text))


def _about(item: Found) -> str:
    facts = f"{item.kind.value}, {item.number_format}, {item.size / 1e9:.1f} GB, {item.origin}"
    problem = f"; cannot be used: {item.problem}" if item.problem else ""
    return f"{name(item.path)} ({name(facts)}{shown(problem)})"


def _json(found: Sequence[Found], chosen: WeightSet) -> dict[str, object]:
    from soundreel.engines.wan.files.catalog import SLOTS

    slots = {slot.name: getattr(chosen, slot.name) for slot in SLOTS if slot.required}
    slots |= _experts(found)
    return {
        "slots": {name: None if item is None else str(item.path) for name, item in slots.items()},
        "missing": [slot.name for slot in chosen.missing],
        "found": [
            {
                "path": str(item.path),
                "kind": item.kind.name.lower(),
                "what": item.kind.value,
                "format": item.number_format,
                "bytes": item.size,
                "parameters": item.parameters,
                "origin": item.origin,
                "problem": item.problem,
            }
            for item in found
        ],
    }
