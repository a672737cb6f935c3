"""`soundreel serve`: the page and the HTTP API."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from soundreel.cli.flags.arguments import ConfigFile, ModelsDir, Url, WorkDir, make_settings
from soundreel.cli.terminal.say import say_error
from soundreel.config import SERVER_TABLE, read_config
from soundreel.installation import install_command, require_package

_PACKAGES = ("fastapi", "uvicorn", "sse_starlette", "prometheus_client", "python_multipart")


def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=1, max=65535, help="On which port.")
    ] = 7860,
    access_key: Annotated[
        str | None,
        typer.Option(
            "--access-key",
            metavar="KEY",
            envvar="SOUNDREEL_ACCESS_KEY",
            show_envvar=False,
            help="What clients must know; better in SOUNDREEL_ACCESS_KEY, which no list of "
            "processes shows.",
        ),
    ] = None,
    is_open: Annotated[
        bool,
        typer.Option("--open", help="Let anybody in who reaches it, without a key."),
    ] = False,
    work_dir: WorkDir = None,
    url: Url = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
) -> None:
    """Serve the web page and the HTTP API on this machine. Jobs outlive the server: stop it, and
    start it again when you like."""
    hint = install_command("web")
    for package in _PACKAGES:
        require_package(package, "the server", hint)
    from soundreel.web.asked.limits import read_limits
    from soundreel.web.serve import serve as run

    settings = make_settings({"work_dir": work_dir, "url": url, "models_dir": models_dir}, config)
    limits = read_limits(read_config(config).get(SERVER_TABLE, {}))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    run(settings, limits, host, port, access_key, is_open=is_open, tell=_tell)


def _tell(address: str) -> None:
    say_error(f"soundreel listens on {address} (Ctrl-C stops it)")
