"""One shot of a finished video made again; all the others keep their bytes.

Every part of a video is a closed group of pictures, so those of untouched shots are copied out of
the file as they are, and joined with the new ones and the sound.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundreel import api
from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.events import Notice, RunControl
from soundreel.finished.replay import read_source, replay_request
from soundreel.finished.stitch import KeptPieces
from soundreel.options.shot_request import ShotRequest
from soundreel.options.texts import crossfade_seconds
from soundreel.types import Request, Result
from soundreel.video.containers import container_of

_STITCHED = ("mp4", "mov")
_SEED_BITS = 31


def remake(
    video: Path,
    shot: int,
    changes: Mapping[str, Any],
    settings: Settings | None = None,
    *,
    audio: Path | None = None,
    output: Path | None = None,
    control: RunControl | None = None,
    overwrite: bool = False,
) -> Result:
    """Make shot `shot` (from 1) of a finished video again, into `output`, or beside the video.

    changes: values of a ShotRequest (prompt, negative_prompt, image, seed); with none of them
    another seed is drawn. audio: where the sound lies now, if it moved. Needs no work folder: the
    shot is made from its start. Raises as `api.generate`.
    """
    control = control or RunControl()
    record = read_source(video)
    request = replay_request(video, audio, None)
    _check(video, request, shot)
    said = {name: value for name, value in changes.items() if value is not None}
    said = said or {"seed": secrets.randbelow(2**_SEED_BITS)}
    shots = list(_listed(request, record))
    shots[shot - 1] = replace(shots[shot - 1], **said)
    output = output or video.with_stem(f"{video.stem}_shot{shot}")
    changed = replace(request, shots=tuple(shots), output=output)
    kept = KeptPieces(video, shot - 1, record, {"shot": shot, **_plain(said)})
    control.emit(Notice(_told(shot, shots)))
    return api.generate(changed, settings, control=control, overwrite=overwrite, kept=kept)


def _told(shot: int, shots: Sequence[ShotRequest]) -> str:
    """What is made again, and what must be computed for it."""
    text = f"shot {shot} of {len(shots)} is made again from its start; the others stay"
    ahead = [number for number in (shot - 1, shot) if 0 < number < len(shots)]
    mixed = [number for number in ahead if crossfade_seconds(shots[number].transition)]
    beside = [str(number + 1 if number == shot else number) for number in mixed]
    if not beside:
        return text
    whole = " and ".join(beside)
    return (
        f"{text}, but for the crossfades with it: for these, shot{'s' * (len(beside) > 1)} {whole} "
        "must be computed from the start once more"
    )


def _check(video: Path, request: Request, shot: int) -> None:
    if container_of(request.encoding).name not in _STITCHED:
        raise InputError(
            f"{video.name} cannot be stitched: only {' and '.join(_STITCHED)} can",
            hint="make it again as a whole",
        )
    count = len(request.shot_list)
    if not 1 <= shot <= count:
        raise InputError.about(
            {"shot": shot},
            f"{video.name} has {count} shots" if count else f"{video.name} is one shot",
            hint=f"choose one from 1 to {count}" if count else "make it again as a whole",
        )


def _listed(request: Request, record: Mapping[str, Any]) -> tuple[ShotRequest, ...]:
    """The shots with the seeds that they had, written down."""
    then = record["request"]["shots"]
    return tuple(
        replace(shot, seed=about["seed"])
        for shot, about in zip(request.shot_list, then, strict=True)
    )


def _plain(said: Mapping[str, Any]) -> dict[str, object]:
    return {name: value.name if isinstance(value, Path) else value for name, value in said.items()}
