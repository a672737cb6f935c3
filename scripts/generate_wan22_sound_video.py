"""Sound to video with Wan 2.2 S2V, with the options that this command always had.

A thin shim over `soundreel generate`, whose options it takes: it uses the ComfyUI engine when its
server answers or was named, else what `--engine auto` picks, and says so. 77 frames unless a
duration is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundreel.engines.comfyui.client.wire.address import ServerAddress

_VENV_PYTHON = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"
_CLASSIC_FRAMES = "77"


def main(argv: list[str]) -> int:
    from soundreel.cli.app import run

    if not argv or {"-h", "--help"} & set(argv):
        return run(["generate", "--help"])
    seen = _peek(argv)
    added = []
    if seen.engine is None:
        named = _is_server_named(seen.url)
        engine = "comfyui" if named else _choose_engine()
        added.append(f"--engine={engine}")
        argv = argv if named else _without_film(argv, engine)
    if not (seen.frames or seen.duration or seen.source):
        added.append(f"--frames={_CLASSIC_FRAMES}")
    return run(["generate", *added, *argv])


def _peek(argv: list[str]) -> argparse.Namespace:
    """What decides about the engine and the length; `generate` reads and checks all of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-e", "--engine")
    parser.add_argument("--url")
    parser.add_argument("--frames")
    parser.add_argument("--audio-duration", "--duration", dest="duration")
    parser.add_argument("--from", dest="source")
    parser.add_argument("--models-dir", action="append", type=Path, default=[])
    try:
        return parser.parse_known_args(argv)[0]
    except argparse.ArgumentError:  # `generate` says what is wrong
        return argparse.Namespace(
            engine="", url=None, frames="?", duration="?", source="?", models_dir=[]
        )


def _without_film(argv: list[str], engine: str) -> list[str]:
    """FILM runs on a server or with weights here; else optical flow makes as many pictures."""
    end = argv.index("--") if "--" in argv else len(argv)
    changed = list(argv)
    for number, word in enumerate(argv[:end]):
        if word == "--interpolate=film":
            changed[number] = "--interpolate=flow"
        elif word == "film" and number and argv[number - 1] == "--interpolate":
            changed[number] = "flow"
    if changed == argv or _film_is_here(_peek(argv).models_dir):
        return argv
    if engine == "comfyui" and _film_is_on_the_server():
        return argv
    print(
        "FILM needs a server that has it or weights here (soundreel models pull film): "
        "--interpolate flow in its place",
        file=sys.stderr,
    )
    return changed


def _film_is_here(models_dir: list[Path]) -> bool:
    from soundreel.config import load_settings
    from soundreel.engines.wan.files.selection import find_film
    from soundreel.errors import EngineUnavailable, InputError
    from soundreel.post.interpolate import require_packages

    try:
        require_packages()
        find_film(load_settings({"models_dir": models_dir or None}).models_dir)
    except (EngineUnavailable, InputError):
        return False
    return True


def _film_is_on_the_server() -> bool:
    from soundreel.engines.comfyui.client.server import ComfyClient
    from soundreel.engines.comfyui.graphs.film import find_film
    from soundreel.errors import EngineError

    for address in _servers():
        try:
            with ComfyClient(address, connect_timeout=1.0) as client:
                find_film(client.object_info(), None)
                return True
        except EngineError:
            continue
    return False


def _is_server_named(url: str | None) -> bool:
    """Whoever names a server wants that server: if it is dead, `generate` says so."""
    from soundreel.config import Settings, load_settings
    from soundreel.errors import InputError

    try:
        return load_settings({"url": url}).url != Settings().url
    except InputError:
        return True  # `generate` says what is wrong with the address


def _choose_engine() -> str:
    if _server_answers():
        print("a ComfyUI server answers: engine comfyui", file=sys.stderr)
        return "comfyui"
    print("no ComfyUI server answers: taking the best engine that can run here", file=sys.stderr)
    return "auto"


def _server_answers() -> bool:
    from soundreel.engines.comfyui.client.server import ComfyClient
    from soundreel.errors import EngineError

    for address in _servers():
        try:
            with ComfyClient(address, connect_timeout=1.0) as client:
                client.system_stats()
                return True
        except EngineError:
            continue
    return False


def _servers() -> list[ServerAddress]:
    from soundreel.config import load_settings
    from soundreel.engines.comfyui.client.wire.address import parse_servers

    settings = load_settings()
    return list(parse_servers(settings.url, settings.token))


if __name__ == "__main__":
    try:
        import soundreel  # noqa: F401
    except ImportError:  # run from a clone with another Python: take the one that was set up
        if not _VENV_PYTHON.exists():
            sys.exit("soundreel is not set up yet: run `make demo` in the clone first")
        os.execv(_VENV_PYTHON, [str(_VENV_PYTHON), __file__, *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
