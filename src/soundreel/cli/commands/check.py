"""`soundreel check VIDEO`: what is right and wrong in a finished video."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundreel.cli.commands.picture_file import require_png, write_png
from soundreel.cli.flags.arguments import JsonFlag, QuietFlag
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.watching import watched

if TYPE_CHECKING:
    from soundreel.proof.check import Proof

FAILED = 1
"""Exit code where a line fails."""

_WORDS = {"ok": "ok", "note": "note", "fail": "FAIL", "unknown": "?"}


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
    with watched(silent=quiet or as_json) as control:
        proof = prove(video, against, control)
    if report is not None:
        write_png(report, draw(proof))
    if as_json:
        say_json(proof.document())
    else:
        say_proof(proof, failures_only=quiet)
    if proof.failed:
        raise typer.Exit(FAILED)


def say_proof(proof: Proof, *, failures_only: bool = False) -> None:
    """The table: a verdict, the thing, what was found."""
    if not failures_only:
        say(f"{name(proof.video.name)}: {_summary(proof)}")
    for line in proof.lines:
        if failures_only and line.word != "fail":
            continue
        first = f"  {_WORDS[line.word]:4}  {line.name:10}  "
        for text in textwrap.wrap(
            name(line.found), 79, initial_indent=first, subsequent_indent=" " * len(first)
        ):
            say(text)


def _summary(proof: Proof) -> str:
    failed = sum(line.word == "fail" for line in proof.lines)
    return f"{failed} of {len(proof.lines)} lines fail" if failed else "nothing is wrong"
