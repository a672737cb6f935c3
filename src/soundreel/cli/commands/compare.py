"""`soundreel compare A B`: the same shot from two engines or seeds, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundreel.cli.commands.picture_file import require_png, write_png
from soundreel.cli.flags.arguments import JsonFlag, QuietFlag
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.watching import watched


def compare(
    one: Annotated[Path, typer.Argument(metavar="A", help="A video.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another one of the same sound.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A video if it ends in .mp4, a sheet of pictures if in .png.",
        ),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing video.")
    ] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Put two videos side by side: the same shot from two engines or seeds. The sound is A's."""
    from soundreel.proof.compare import sheet, side_by_side

    drawn = output.suffix.lower() == ".png"
    if drawn:
        require_png(output)
    with watched(silent=quiet or as_json) as control:
        if drawn:
            write_png(output, sheet(one, other, control))
        else:
            side_by_side(one, other, output, control=control, overwrite=overwrite)
    if as_json:
        say_json({"path": str(output)})
    else:
        say(name(output))
