"""The commands that were there before soundreel: what they always took goes to those of today.

They use the ComfyUI engine when its server answers or was named, else what `auto` picks, and say
so; and they have a length of their own where none is given.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from soundreel.cli import app
from soundreel.cli.terminal.say import say_error
from soundreel.config import Settings, load_settings
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import ServerAddress, parse_servers
from soundreel.engines.comfyui.graphs import film
from soundreel.engines.wan.files.selection import find_network
from soundreel.errors import EngineError, EngineUnavailable, InputError
from soundreel.post.interpolate import require_packages


@dataclass(frozen=True, slots=True)
class Classic:
    """command: that of today. frames: how many, if nothing says how long; flags: what says it."""

    command: str
    frames: int
    flags: tuple[str, ...] = ("--frames", "--duration", "--audio-duration", "--from")


SOUND = Classic("generate", 77)
IMAGE = Classic("image-to-video", 25, (*SOUND.flags, "--audio"))


def main(classic: Classic, argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    if not argv or {"-h", "--help"} & set(argv):
        return app.run([classic.command, "--help"])
    seen = _peek(classic, argv)
    added = []
    if seen.engine is None:
        named = _is_server_named(seen.url)
        engine = "comfyui" if named else _choose_engine()
        added.append(f"--engine={engine}")
        argv = argv if named else _without_film(argv, engine, seen.models_dir)
    if seen.length is None:
        added.append(f"--frames={classic.frames}")
    return app.run([classic.command, *added, *argv])


def _peek(classic: Classic, argv: list[str]) -> argparse.Namespace:
    """What decides about the engine and the length; the command reads and checks all of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-e", "--engine")
    parser.add_argument("--url", action="append")
    parser.add_argument(*classic.flags, dest="length")
    parser.add_argument("--models-dir", action="append", type=Path, default=[])
    try:
        return parser.parse_known_args(argv)[0]
    except argparse.ArgumentError:  # the command says what is wrong
        return argparse.Namespace(engine="", url=None, length="?", models_dir=[])


def _without_film(argv: list[str], engine: str, models_dir: list[Path]) -> list[str]:
    """FILM runs on a server or with weights here; else optical flow makes as many pictures."""
    end = argv.index("--") if "--" in argv else len(argv)
    changed = list(argv)
    for number, word in enumerate(argv[:end]):
        if word == "--interpolate=film":
            changed[number] = "--interpolate=flow"
        elif word == "film" and number and argv[number - 1] == "--interpolate":
            changed[number] = "flow"
    if changed == argv or _film_is_here(models_dir):
        return argv
    if engine == "comfyui" and _film_is_on_the_server():
        return argv
    say_error(
        "FILM needs a server that has it or weights here (soundreel models pull film): "
        "--interpolate flow in its place"
    )
    return changed


def _film_is_here(models_dir: list[Path]) -> bool:
    try:
        require_packages("film")
        find_network("film", load_settings({"models_dir": models_dir or None}).models_dir)
    except (EngineUnavailable, InputError):
        return False
    return True


def _film_is_on_the_server() -> bool:
    for address in _servers():
        try:
            with ComfyClient(address, connect_timeout=1.0) as client:
                film.find_film(client.object_info(), None)
                return True
        except EngineError:
            continue
    return False


def _is_server_named(url: list[str] | None) -> bool:
    """Whoever names a server wants that server: if it is dead, the command says so."""
    try:
        return load_settings({"url": url}).url != Settings().url
    except InputError:
        return True  # the command says what is wrong with the address


def _choose_engine() -> str:
    if _server_answers():
        say_error("a ComfyUI server answers: engine comfyui")
        return "comfyui"
    say_error("no ComfyUI server answers: taking the best engine that can run here")
    return "auto"


def _server_answers() -> bool:
    for address in _servers():
        try:
            with ComfyClient(address, connect_timeout=1.0) as client:
                client.system_stats()
                return True
        except EngineError:
            continue
    return False


def _servers() -> list[ServerAddress]:
    settings = load_settings()
    return list(parse_servers(settings.url, settings.token))
