"""What a video says about itself: request, plan and identities as JSON, and back.

The record goes into the MP4's tags and the sidecar. It holds no times, dates, absolute paths or
addresses; files are named and hashed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from soundreel.errors import InputError, WorkError
from soundreel.options.faces import read_faces, with_masks
from soundreel.options.texts import VOCALS, read_path
from soundreel.safe.text import json_text
from soundreel.types import AudioClip, Encoding, Face, Plan, Request, request_class
from soundreel.types.request import WORD_FILES

TAG = "soundreel"
"""Key of the record in the tags of the file."""

_BY_HAND = "it was made by another version; give the options by hand"
_LOCAL_FIELDS = ("audio", "drive", "image", "last_frame", "separator", "output", "font")
_DIRECTING_FIELDS = (
    *("shots", "transition", "shot_length", "images", "prompts", "by_section", "turns", "cast"),
)


def file_hash(path: Path) -> str:
    """SHA-256 of the file, read once as long as it does not change."""
    with _reading(path):
        status = path.stat()
        return _hash(path.absolute(), *(getattr(status, name) for name in _IDENTITY))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise InputError(
            f"cannot read {path}: {err.strerror}", hint="check the name and the permissions"
        ) from err


_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
"""What tells a file from another one under its name, and from itself with other content."""


@lru_cache(maxsize=512)
def _hash(path: Path, *identity: int) -> str:  # noqa: ARG001  (part of the cache's key)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 over the canonical JSON of `value`."""
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def to_json(value: object) -> Any:
    """Plain JSON values; Fractions become "n/d" strings, paths strings."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = (field.name for field in fields(value) if field.compare)
        return {name: to_json(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (Fraction, Path)):
        return str(value)
    return value


def _is_file(path: Path) -> bool:
    with _reading(path):
        return path.is_file()


def hash_inputs(request: Request) -> dict[str, dict[str, str]]:
    """Name and SHA-256 of every file that the request names, its options' files included."""
    return {
        name: {"name": path.name, "sha256": file_hash(path)}
        for name, path in request.files.items()
        if _is_file(path)
    }


def require_same_inputs(request: Request, inputs: Mapping[str, Mapping[str, str]]) -> None:
    """WorkError if a file is not what `inputs`, its `hash_inputs` of an earlier moment, says: one
    video would be made from two files."""
    now = hash_inputs(request)
    changed = [name for name in {**inputs, **now} if now.get(name) != inputs.get(name)]
    if changed:
        raise WorkError(
            f"{request.files[changed[0]]} changed while the job ran",
            hint="run the same command again to use it as it is now; with the old file back in "
            "its place, the finished parts are used",
        )


def make_record(
    plan: Plan,
    inputs: Mapping[str, Mapping[str, str]],
    identity: Mapping[str, str],
    versions: Mapping[str, str],
    source_type: str,
) -> dict[str, object]:
    """All that decides the bytes of the video. source_type: where its pictures come from, as
    `media.marks` has the terms."""
    return {
        "request": _request(plan.request),
        "plan": {
            "fps": str(plan.output_fps),
            "frames": plan.output_frames,
            "geometry": to_json(plan.geometry),
            "interpolation": to_json(plan.interpolation),
            "size": to_json(plan.request.output_size),
            "drawn_size": to_json(plan.drawn_size),
            "loudness": to_json(plan.audio.loudness),
            "sound_duration": str(plan.audio.sound_duration),
            **_drive(plan),
            "chunks": [[chunk.generated_frames, chunk.num_frames] for chunk in plan.chunks],
            **_shot_spans(plan),
            **_words(plan),
        },
        "engine": {"name": plan.request.engine, **identity},
        "seed": plan.request.seed,
        "inputs": to_json(inputs),
        "versions": dict(versions),
        "source_type": source_type,
    }


def _words(plan: Plan) -> dict[str, object]:
    """What is written, and by which fonts."""
    if plan.words is None:
        return {}
    fonts = [[font.path.name, font.index, file_hash(font.path)] for font in plan.words.fonts]
    written = digest_of(replace(plan.words, fonts=()))
    return {"words": {"written": written, "fonts": fonts}}


def _drive(plan: Plan) -> dict[str, object]:
    """Of other driving sounds: where they begin, and what of them is silent."""
    said: dict[str, object] = {}
    if plan.drive is not None:
        said["drive"] = _driven(plan.drive)
        if plan.request.drive == VOCALS:
            said["vocals"] = file_hash(plan.drive.path)
    if plan.voices:
        said["voices"] = {name: _driven(clip) for name, clip in plan.voices.items()}
    return said


def _driven(clip: AudioClip) -> dict[str, object]:
    silent = [[str(begin), str(end)] for begin, end in clip.silent]
    return {"start": str(clip.start), "silent": silent}


def _request(request: Request) -> dict[str, object]:
    """Without a list of shots it reads as it did before there were any; the list says all that
    was handed out."""
    left_out = (*_LOCAL_FIELDS, *_DIRECTING_FIELDS, *WORD_FILES, "title", "artist", "lyrics_mode")
    said = {key: value for key, value in to_json(request).items() if key not in left_out}
    spoken = {name: getattr(request, name) for name in (*WORD_FILES, "title", "artist")}
    said |= {name: value for name, value in spoken.items() if isinstance(value, str)}
    if request.lyrics_mode != "burn":
        said["lyrics_mode"] = request.lyrics_mode
    said["options"] = _options_without_places(request.options)
    if request.drive == VOCALS:
        said["drive"] = VOCALS
    if request.kind != Request.kind:  # that of a sound reads as it did before there were others
        said = {"kind": request.kind, **said}
    return {**said, "shots": _shots(request)} if request.shot_list else said


def _shots(request: Request) -> list[dict[str, object]]:
    """The list without what is not said; images by their names among the inputs."""
    names = {path: name for name, path in request.shot_images.items()}
    masks = {path: name for name, path in request.masks.items()}
    shots = []
    for shot in request.shot_list:
        said = {key: value for key, value in to_json(shot).items() if value not in (None, {}, [])}
        if shot.image is not None:
            said["image"] = names[shot.image]
        if shot.faces:
            said["faces"] = [_face(face, masks) for face in shot.faces]
        if shot.options:
            said["options"] = _options_without_places(shot.options)
        if shot.takes:
            said["takes"] = {str(number): take.said for number, take in shot.takes.items()}
        shots.append(said)
    return shots


def _face(face: Face, masks: Mapping[Path, str]) -> dict[str, object]:
    mask = face.region.mask
    region = {"box": to_json(face.region.box)} if mask is None else {"mask": masks[mask]}
    said = {"name": face.name, "region": region, "speaks": to_json(face.speaks)}
    return {key: value for key, value in said.items() if value}


def _shot_spans(plan: Plan) -> dict[str, object]:
    """First picture and number of pictures of each shot, from cut to cut, where they are listed;
    and how many it is mixed in with, where any is."""
    if not plan.request.shot_list:
        return {}
    fades = [shot.fade_in for shot in plan.shots]
    mixed = {"crossfades": fades} if any(fades) else {}
    return {"shots": [[shot.span.start, len(shot.span)] for shot in plan.shots], **mixed}


def _options_without_places(options: Mapping[str, object]) -> dict[str, object]:
    return {name: _without_place(value) for name, value in options.items()}


def _without_place(value: object) -> object:
    """An option as the record shows it: files by their names ("/a/b.safetensors:0.8" too)."""
    if isinstance(value, (list, tuple)):
        return [_without_place(item) for item in value]
    if isinstance(value, (str, Path)) and Path(value).is_absolute():
        return Path(value).name
    return to_json(value)


_Place = Annotated[Path, PlainValidator(read_path)]  # its bytes may not be Unicode


class _Input(BaseModel):
    name: Annotated[str, PlainValidator(lambda name: read_path(name).name)]
    sha256: str


class _Shape(BaseModel):
    """What is read of a record or sidecar; the request's own values are checked by `Request`."""

    model_config = ConfigDict(extra="allow")

    request: dict[str, object]
    inputs: dict[str, _Input]
    engine: dict[str, object]
    files: dict[str, _Place] = {}


def read_record(text: str, source: Path) -> dict[str, object]:
    """The record that `source` holds as `text`. Raises InputError if it is not of our shape."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and "interpolated" in found:
            raise InputError(
                f"{source} is another video at a new rate: it holds no request",
                hint="give the video that it was made from",
            )
        return _Shape.model_validate(found).model_dump(exclude_unset=True)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{source} holds no record of soundreel ({where or 'all of it'}: {first['msg']})",
            hint="give a file that soundreel wrote",
        ) from err
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{source} holds no record of soundreel", hint="give a file that soundreel wrote"
        ) from err


def request_from_record(record: Mapping[str, Any], files: Mapping[str, Path]) -> Request:
    """The request of a record, with `files` (input name -> path) put in.

    Raises InputError if the record is not ours or a file has other content.
    """
    inputs = record["inputs"]
    if missing := sorted(set(inputs) - set(files)):
        raise InputError(_unusable(f"it does not say where {missing[0]} lies"), _BY_HAND)
    for name, about in inputs.items():
        if file_hash(files[name]) != about["sha256"]:
            raise InputError(
                f"{files[name]} is not the file that this video was made from",
                hint=f"find the original {about['name']} and put it beside the video",
            )
    try:
        values = dict(record["request"])
        values["encoding"] = Encoding(**values["encoding"])
        options = dict(values.pop("options"))
        options |= {name: files[name] for name in inputs if name in options}
        values.setdefault("cover", False)  # which earlier versions did not look at
        if "shots" in values:
            values["shots"] = [_with_pictures(shot, files) for shot in values["shots"]]
        made = request_class(values.pop("kind", Request.kind))
        drive = _drive_among(files, values.get("drive"))
        values |= {"drive": drive, **_own_files(made, files, values)}
        return made(options=options, **values)
    except InputError as err:
        raise InputError(
            _unusable(err.message), _BY_HAND, fields=err.fields, rule=err.rule
        ) from err
    except (KeyError, TypeError, ValueError) as err:  # TypeError: a field that Request has not
        raise InputError(_unusable(repr(err)), _BY_HAND) from err


def with_absolute_paths(request: Request) -> Request:
    """The same request as any folder understands it."""
    files = {name: path.absolute() for name, path in request.files.items()}
    options = {name: files.get(name, value) for name, value in request.options.items()}
    shots = tuple(
        replace(shot, image=_absolute(shot.image), faces=with_masks(shot.faces, _absolute))
        for shot in request.shot_list
    )
    spoken = {name: getattr(request, name) for name in request.file_fields}
    return replace(
        request,
        drive=_drive_among(files, request.drive),
        **_own_files(type(request), files, spoken),
        images=tuple(image.absolute() for image in request.images),
        options=options,
        shots=shots or request.shots,
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _own_files(
    kind: type[Request], files: Mapping[str, Path], said: Mapping[str, Any]
) -> dict[str, Any]:
    """The files that have fields of their own, by these; words that stand for one stay."""
    fonts = tuple(path for name, path in files.items() if name.startswith("font."))
    words = {name: value for name, value in said.items() if isinstance(value, str)}
    own = {name: files.get(name, words.get(name)) for name in kind.file_fields}
    return {**own, "font": fonts}


def _drive_among(files: Mapping[str, Path], said: object) -> Path | dict[str, Path] | str | None:
    """One driving sound, or that of each speaker; or the voice, where that is `said`."""
    if said == VOCALS:
        return VOCALS
    prefix = "drive."
    tracks = {name.removeprefix(prefix): files[name] for name in files if name.startswith(prefix)}
    return files.get("drive", tracks or None)


def asked(request: Request, output_dir: Path, num_chunks: int) -> dict[str, object]:
    """What an unfinished job notes of its request, so that it can be taken up by its key alone."""
    whole = with_absolute_paths(request)
    return {
        "kind": request.kind,
        "request": to_json(replace(whole, output=request.output and request.output.absolute())),
        "files": {name: str(path) for name, path in whole.files.items()},
        "output_dir": str(output_dir),
        "chunks": num_chunks,
    }


def request_as_asked(noted: Mapping[str, Any]) -> Request:
    """The request that `asked` noted. Raises InputError where it cannot be read any more."""
    try:
        values, files = dict(noted["request"]), dict(noted["files"])
        values["encoding"] = Encoding(**values["encoding"])
        options = dict(values.pop("options"))
        options |= {name: Path(files[name]) for name in files if name in options}
        return request_class(noted.get("kind", Request.kind))(options=options, **values)
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise InputError(
            f"what this job was asked for cannot be read: {err!r}",
            hint="run its command again, or remove it",
        ) from err


def _with_pictures(shot: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    read = dict(shot)
    if "image" in shot:
        read["image"] = files[shot["image"]]
    if "faces" in shot:
        read["faces"] = with_masks(
            read_faces(shot["faces"]), lambda mask: None if mask is None else files[str(mask)]
        )
    return read


def _unusable(reason: str) -> str:
    return f"the record of this video cannot be used: {reason}"


def record_text(record: Mapping[str, object]) -> str:
    """The record as the tag holds it; what acts in a name and what is not Unicode is escaped."""
    return json_text(record, compact=True)
