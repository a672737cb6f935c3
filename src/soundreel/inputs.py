"""What a request must satisfy beyond its own values: files that open."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from soundreel.audio.vocals import vocals_clip, write_vocals
from soundreel.errors import EngineUnavailable, InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.installation import install_command, require_package
from soundreel.media.cover import load_cover, reference_image
from soundreel.media.image import load_image
from soundreel.media.regions import coverage
from soundreel.options.texts import VOCALS
from soundreel.record import file_hash
from soundreel.types import AudioClip, Face, Interpolation, Request, Rgb
from soundreel.work.files import create, disk_errors
from soundreel.work.job import Job

SEPARATOR = "955717e8.safetensors"
"""The file of the model htdemucs on adefossez's page."""

SHARED = 0.001
"""Of the picture: less of an overlap is the edges' own."""


def settled_cover(request: Request, shows_cover: bool, control: RunControl) -> Request:
    """The request, knowing whether the picture inside the sound file is its image: where it says
    so, or says nothing and the engine `shows_cover`. Raises InputError where it asks for one that
    is missing or cannot be shown."""
    if request.image is not None or request.cover is not None:
        if request.cover and load_cover(request.sound) is None:
            raise InputError.about(
                {"image": "cover"},
                f"{request.source.name} has no cover inside it",
                hint=f"give a picture, {mention('image')}, or leave it out",
            )
        return request
    found = shows_cover and _has_cover(request, control)
    if found:
        control.emit(
            Notice(
                f"the cover inside the sound is the image; {mention(image='none')} leaves it out"
            )
        )
    return replace(request, cover=found)


def _has_cover(request: Request, control: RunControl) -> bool:
    try:
        return load_cover(request.sound) is not None
    except InputError as err:
        control.emit(Notice(f"the cover inside the sound is not used: {err.message}"))
        return False


def check_faces(request: Request, shows_faces: bool, control: RunControl) -> None:
    """Raises InputError where several faces of one picture cannot be driven: by the engine, for
    want of a picture, or since a face has no place of its own in it."""
    for shot in request.shot_list:
        if not shot.faces:
            continue
        names = [face.name for face in shot.faces]
        if not shows_faces:
            raise InputError.about(
                {"engine": request.engine},
                f"it drives one face at a time, and {' and '.join(names)} are in one picture",
                hint=f"cut between them, each with a picture: {mention(cast=f'{names[0]}=FILE')}; "
                f"or take {mention(engine='wan')}",
            )
        picture = load_image(shot.image) if shot.image else reference_image(request)
        if picture is None:
            raise InputError.about(
                {"cast": names},
                "there is no picture that they are in",
                f"give one that shows all of them: {mention('image')}",
            )
        _check_places(shot.faces, picture, control)


def _check_places(faces: Sequence[Face], picture: Rgb, control: RunControl) -> None:
    height, width = picture.shape[:2]
    covered = [coverage(face.region, width, height) for face in faces]
    total = np.sum(covered, axis=0)
    for face, own in zip(faces, covered, strict=True):
        alone = np.clip(2 * own - total, 0, None).sum()
        if not own.any() or alone < own.sum() / 2:
            raise InputError.about(
                {"cast": f"{face.name}=@{face.region}"},
                "less than half of that place is not another's too" if own.any() else "it is empty",
                "give each face a place of its own",
            )
    shared = np.clip(total - 1, 0, None).mean()
    if shared > SHARED:
        names = " and ".join(face.name for face in faces)
        control.emit(Notice(f"{names} share {shared:.1%} of the picture: each moves it in part"))


def check_overlay(request: Request, interpolation: Interpolation) -> None:
    """Raises InputError where pictures with alpha would have to go through what knows none."""
    if not request.encoding.alpha:
        return
    wrong = {
        "fps": request.fps if interpolation.factor != 1 else None,
        "steady": None if request.steady == "off" else request.steady,
        "fit_output": request.fit_output if request.fit_output == "blur" else None,
    }
    rules = {
        "fps": "an overlay has the engine's own pictures alone: none are made between them",
        "steady": "an overlay is drawn, and does not drift",
        "fit_output": "a blurred copy behind it would cover the film",
    }
    for name, value in wrong.items():
        if value is not None:
            raise InputError.about({name: value}, rules[name], hint="leave it out")


def with_separator(request: Request, models_dir: Sequence[Path]) -> Request:
    """The request with the weights that take the voice out of its sound, where that drives the
    picture. Nothing is fetched. Raises EngineUnavailable where they, or Demucs, are not here."""
    if request.drive != VOCALS:
        return request
    advice = f"or give the voice as a file: {mention(drive='vocals.wav')}"
    require_package("demucs", mention(drive=VOCALS), f"{install_command('stems')}; {advice}")
    folders = [folder / inner for folder in models_dir for inner in ("", "stems")]
    found = (folder / SEPARATOR for folder in folders)
    weights = request.separator or next((path for path in found if path.is_file()), None)
    if weights is None or not weights.is_file():
        missing = f"{weights} is not there" if weights else f"no {SEPARATOR} is in a models folder"
        raise EngineUnavailable(
            f"{mention(drive=VOCALS)} needs weights of Demucs: {missing}",
            hint=f"download {SEPARATOR} from huggingface.co/adefossez/HTDemucs into one, or name "
            f"it, {mention('separator')}; {advice}",
        )
    return replace(request, separator=weights)


def separated(job: Job, weights: Path | None, control: RunControl, heard: AudioClip) -> AudioClip:
    """The voice in the clip, separated once for the job. Raises InputError, WorkError."""
    path = job.vocals
    if not path.is_file() or file_hash(path) != job.fact("vocals"):
        assert weights is not None, "with_separator comes first"
        with control.stage("separate the voice"), disk_errors(f"write {path}"):
            create(path)
            write_vocals(heard, weights, path, control)
        job.fix("vocals", file_hash(path))
    return vocals_clip(heard, path)


def not_separated(control: RunControl, heard: AudioClip) -> AudioClip:
    """What a plan takes for the voice, since it has the same length."""
    control.emit(Notice("the voice is taken out of the sound when the video is made"))
    return heard


def check_request(request: Request) -> None:
    """Raises InputError naming the first file among the engine's options that cannot be read."""
    for name, value in request.options.items():
        if isinstance(value, Path) and not _can_be_read(value):
            raise InputError.about(
                {f"options.{name}": value},
                "no such file, or one that may not be read",
                hint="check the name",
            )


def _can_be_read(path: Path) -> bool:
    """A pipe is not: whoever opens one waits for its other end."""
    try:
        if path.is_dir():
            return True
        with path.open("rb") if path.is_file() else nullcontext() as file:
            return file is not None
    except (OSError, ValueError):
        return False
