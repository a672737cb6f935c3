"""One shot of a finished video made again, or the end of one; all the rest keeps its bytes.

Every part of a video is a closed group of pictures, so those of untouched shots are copied out of
the file as they are, and joined with the new ones and the sound.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundreel import api
from soundreel.config import Settings, load_settings
from soundreel.errors import InputError, mention
from soundreel.events import RunControl
from soundreel.finished.kept import Cut, FinishedVideo
from soundreel.finished.replay import read_source, replay_request
from soundreel.options.shot_request import ShotRequest, Take
from soundreel.record import digest_of
from soundreel.types import Request, Result
from soundreel.video.containers import container_of
from soundreel.work.job import Job
from soundreel.work.listing import list_jobs

_STITCHED = ("mp4", "mov")
_SEED_BITS = 31


def remake(
    video: Path,
    shot: int | None,
    changes: Mapping[str, Any],
    settings: Settings | None = None,
    *,
    chunk: int | None = None,
    audio: Path | None = None,
    output: Path | None = None,
    control: RunControl | None = None,
    overwrite: bool = False,
    keep_job: bool = False,
) -> Result:
    """Make a shot of a finished video again, or from a chunk on to the end of its shot; either
    counts from 1, and one of them is given. Into `output`, or beside the video.

    changes: values of a ShotRequest (prompt, negative_prompt, image, seed), of a chunk prompt and
    seed; with none of them another seed is drawn. audio: where the sound lies now, if it moved.
    A shot needs no work folder: it is made from its start. So it is for a chunk, unless the job
    that made the video was kept and has the state before it. keep_job: keep the new one, with its
    states and those that go on to hold. Raises as `api.generate`.
    """
    settings, control = settings or load_settings(), control or RunControl()
    record = read_source(video)
    request = replay_request(video, audio, None)
    _check_form(video, request)
    said = {name: value for name, value in changes.items() if value is not None}
    said = said or {"seed": secrets.randbelow(2**_SEED_BITS)}
    if (shot is None) == (chunk is None):
        raise InputError("name either a shot or a part", hint="soundreel plan shows their numbers")
    shots = list(_listed(request, record))
    if chunk is None:
        number = _numbered(video, "shot", shot, request.shot_list)
        again = FinishedVideo(video, record, {"shot": shot, **_plain(said)}, number)
        shots[number] = replace(shots[number], takes={}, **said)
    else:
        again = _from_chunk(video, record, chunk, said)
        shots[again.shot] = _with_take(shots[again.shot], again, said)
    word = f"shot{shot}" if chunk is None else f"chunk{chunk}"
    output = output or video.with_stem(f"{video.stem}_{word}")
    changed = replace(request, shots=tuple(shots), output=output)
    with _job_of(record, settings, control) as states:
        kept = replace(again, states=states)
        return api.generate(
            changed, settings, control=control, overwrite=overwrite, keep_job=keep_job, kept=kept
        )


def _from_chunk(
    video: Path, record: Mapping[str, Any], chunk: int, said: Mapping[str, Any]
) -> FinishedVideo:
    wrong = sorted(set(said) - {*Take.__dataclass_fields__})
    if wrong:
        raise InputError.about(
            {wrong[0]: said[wrong[0]]},
            "a part shows what its shot shows",
            hint=f"make the shot again: {mention('shot')}",
        )
    cut = Cut.of_record(record, video)
    number = _numbered(video, "part", chunk, cut.chunks)
    return FinishedVideo(video, record, {"chunk": chunk, **said}, cut.shot_of(number), number)


def _with_take(shot: ShotRequest, again: FinishedVideo, said: Mapping[str, Any]) -> ShotRequest:
    """The shot with what is said of the chunk, beside what was said of it before."""
    cut = Cut.of_record(again.record, again.video)
    assert again.chunk is not None
    number = sum(cut.shot_of(before) == again.shot for before in range(again.chunk)) + 1
    take = replace(shot.takes.get(number, Take()), **said)
    return replace(shot, takes={**shot.takes, number: take})


@contextmanager
def _job_of(
    record: Mapping[str, Any], settings: Settings, control: RunControl
) -> Iterator[Job | None]:
    """The job that made the video, if its folder was kept; held, so that nothing of it goes."""
    digest = digest_of(record)
    kept = (job for job in list_jobs(settings.work_dir) if job.facts.get("digest") == digest)
    found = next(kept, None)
    if found is None:
        yield None
        return
    with Job(settings.work_dir, found.key, control) as job:
        yield job


def _check_form(video: Path, request: Request) -> None:
    if container_of(request.encoding).name not in _STITCHED:
        raise InputError(
            f"{video.name} cannot be stitched: only {' and '.join(_STITCHED)} can",
            hint="make it again as a whole",
        )
    if request.kind != "sound":
        raise InputError(
            f"{video.name} is one shot, made of an image", hint="make it again as a whole"
        )


def _numbered(video: Path, word: str, number: int | None, things: Sequence[object]) -> int:
    """From 1 to from 0. Raises InputError where there is no such shot or part."""
    count = len(things)
    if number is None or not 1 <= number <= count:
        field = {"part": "chunk"}.get(word, word)
        raise InputError.about(
            {field: number},
            f"{video.name} has {count} {word}s" if count else f"{video.name} is one shot",
            hint=f"choose one from 1 to {count}"
            if count
            else f"make it again as a whole, or from a part on: {mention('chunk')}",
        )
    return number - 1


def _listed(request: Request, record: Mapping[str, Any]) -> tuple[ShotRequest, ...]:
    """The shots with the seeds that they had, written down; of a video without a list the one."""
    then = record["request"].get("shots")
    if then is None:
        return (ShotRequest(start=request.start, seed=record["seed"]),)
    return tuple(
        replace(shot, seed=about["seed"])
        for shot, about in zip(request.shot_list, then, strict=True)
    )


def _plain(said: Mapping[str, Any]) -> dict[str, object]:
    return {name: value.name if isinstance(value, Path) else value for name, value in said.items()}
