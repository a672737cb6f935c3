"""`soundreel check VIDEO`: what is right and wrong in a finished video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundreel.cli.commands.picture_file import require_png, write_png
from soundreel.cli.flags.arguments import JsonFlag, QuietFlag
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.verdicts import CHECK_FAILED, verdict_lines, verdict_summary
from soundreel.cli.terminal.watching import watched


def check(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any finished video.")],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="AUDIO", help="The sound that it was made from: compared to the sample."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw what was measured, and the verdicts."),
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Say what is right and wrong in a finished video, from the file alone: time, sound, sync,
    seams, stills. Exit code 1 where something fails."""
    from soundreel.proof.check import check as prove
    from soundreel.proof.report import draw

    if report is not None:
        require_png(report)
    with watched(silent=quiet or as_json) as control, control.stage("check"):
        proof = prove(video, against, control)
    if report is not None:
        write_png(report, draw(proof))
    document = proof.document()
    if as_json:
        say_json(document)
    elif quiet:
        _say_each(verdict_lines(document, ("fail",)))
    else:
        _say_each([f"{name(video.name)}: {verdict_summary(document)}", *verdict_lines(document)])
    if proof.failed:
        raise typer.Exit(CHECK_FAILED)


def _say_each(lines: list[str]) -> None:
    for line in lines:
        say(line)
