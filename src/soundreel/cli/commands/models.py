"""`soundreel models`: which weight files lie on this machine, what is missing, how to get it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
    slots, extras = _slots(found, chosen), _extras(found)
    used = [item for needed in slots.values() for item in needed.values()]
    used += [item for _, item, _ in extras.values()]
    for line in (*_slot_lines(slots), *_extra_lines(extras), *_verdict_lines(slots)):
        say(line)
    for line in (*_other_lines(found, used), *_faulty_lines(found)):
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


def _slots(found: Sequence[Found], chosen: WeightSet) -> dict[str, dict[str, Found | None]]:
    """What fills the slots of each kind of video; None is missing."""
    from soundreel.engines.wan.files.catalog import SLOTS
    from soundreel.engines.wan.image.files import slots_of

    of_sound = {slot.name: getattr(chosen, slot.name) for slot in SLOTS if slot.required}
    return {"sound": of_sound, "image": slots_of(found)}


def _slot_lines(slots: Mapping[str, Mapping[str, Found | None]]) -> Iterator[str]:
    from soundreel.engines.wan.files.catalog import PUBLISHED, slot_named

    for slot, item in {**slots["sound"], **slots["image"]}.items():
        kinds = [kind for kind, needed in slots.items() if slot in needed]
        use = kinds[0] if len(kinds) == 1 else "both"
        if item is not None:
            yield _row("ok", slot, use, _about(item))
            continue
        yield _row("missing", slot, use, slot_named(slot).kind.value)
        name = next(file.name for file in PUBLISHED if file.slot == slot)
        yield _row("", "", "", f"fetch it, or put {name} into models/{slot_named(slot).folders[0]}")


def _verdict_lines(slots: Mapping[str, Mapping[str, Found | None]]) -> Iterator[str]:
    """Each kind of video by itself."""
    for kind, needed in slots.items():
        of, which, small = _VIDEOS[kind]
        lacking = ", ".join(slot for slot, item in needed.items() if item is None)
        if not lacking:
            yield f"video of {of}: all files are here"
            continue
        yield f"video of {of}: lacks {lacking}"
        yield f"  {_pull(which)}; for a small card: {_pull(small)}"


_VIDEOS = {"sound": ("a sound", "", "gguf-q4_k_m"), "image": ("an image", "i2v", "i2v-gguf-q4_k_m")}
"""In words, and the sets that have all of it."""


def _extras(found: Sequence[Found]) -> dict[str, tuple[str, Found | None, str]]:
    """What only some options need: for which kind of video, the file, and what it is for."""
    from soundreel.engines.wan.files.selection import usable_film
    from soundreel.engines.wan22 import FEW_STEP_LORA
    from soundreel.engines.wan22_i2v import FEW_STEP_LORAS

    def named(file: str) -> Found | None:
        return next((item for item in found if item.path.name == file and not item.problem), None)

    fast = f"--sampling-preset fast: {_pull()}"
    loras = {
        f"lora_{expert}": ("image", named(file.name), f"{fast} i2v")
        for expert, file in FEW_STEP_LORAS.items()
    }
    film = ("both", usable_film(found), f"--interpolate film: {_pull('film')}")
    return {"lora": ("sound", named(FEW_STEP_LORA.name), fast), **loras, "film": film}


def _extra_lines(extras: Mapping[str, tuple[str, Found | None, str]]) -> Iterator[str]:
    for slot, (use, item, why) in extras.items():
        text = f"only for {why}" if item is None else _about(item)
        yield _row("none" if item is None else "ok", slot, use, text)


def _row(mark: str, slot: str, use: str, text: str) -> str:
    """use: the kind of video that it is for."""
    return f"{mark:7} {slot:14} {use:6} {text}"


def _pull(which: str = "") -> str:
    return f"soundreel models pull {which}".strip()


def _other_lines(found: Sequence[Found], used: Collection[Found | None]) -> list[str]:
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
    slots = _slots(found, chosen)
    lacking = {
        kind: [slot for slot, item in needed.items() if item is None]
        for kind, needed in slots.items()
    }
    return {
        "slots": {
            name: None if item is None else str(item.path)
            for needed in slots.values()
            for name, item in needed.items()
        },
        "missing": lacking["sound"],
        "missing_for": lacking,
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
