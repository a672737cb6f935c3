"""`soundreel mcp`: the verbs as tools for agents, over standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundreel.cli.flags.arguments import ConfigFile, ModelsDir, Url, WorkDir, make_settings
from soundreel.installation import install_command, require_package


def mcp(
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", metavar="DIR", help="Folder for videos.")
    ] = None,
    work_dir: WorkDir = None,
    url: Url = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
) -> None:
    """Serve plan, generate, status, probe and check to an agent by the Model Context Protocol, over
    standard input and output."""
    require_package("mcp", "this", install_command("mcp"))
    from soundreel.web.agents.run import run

    given = {"output_dir": output_dir, "work_dir": work_dir, "url": url, "models_dir": models_dir}
    run(make_settings(given, config))
