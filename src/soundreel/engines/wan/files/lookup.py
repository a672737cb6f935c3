"""Looks for weight files on this machine: what lies where and what it is. Never asks the network.

The first usable file for a slot is taken, the smallest where one place holds several.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundreel.engines.tensors import MAX_JSON
from soundreel.engines.wan.files.catalog import FOLDERS, PUBLISHED, SLOTS, Slot
from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.formats import Kind, foreign_formats, number_format, recognise
from soundreel.engines.wan.files.headers import FETCH_AGAIN, SUFFIXES, read_header
from soundreel.engines.wan.files.limits import faults_of, read_json_object
from soundreel.engines.wan.files.places import Place
from soundreel.errors import EngineUnavailable, InputError, mention

_DEPTH = 4  # folders below a place that are looked into
_MAX_ENTRIES, _MAX_SHARDS = 100_000, 1000
_INDEX = ".safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Found:
    """A set of weights on disk. path: the file, or the index of a sharded set; files: what holds
    the tensors; origin: where it was found ("models_dir", "ComfyUI", "hub cache", "given");
    problem: why it cannot be loaded, or ""."""

    kind: Kind
    path: Path
    files: tuple[Path, ...]
    number_format: str
    size: int
    parameters: int
    origin: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class WeightSet:
    """The files that a job will use; None is missing."""

    transformer: Found | None = None
    text_encoder: Found | None = None
    vae: Found | None = None
    audio_encoder: Found | None = None

    @property
    def missing(self) -> tuple[Slot, ...]:
        return tuple(s for s in SLOTS if s.required and getattr(self, s.name) is None)

    def require(self) -> WeightSet:
        """This set. Raises EngineUnavailable naming each missing slot."""
        if not self.missing:
            return self
        wanted = "; ".join(f"{slot.name} ({slot.kind.value})" for slot in self.missing)
        raise EngineUnavailable(
            f"no weights for: {wanted}",
            hint="see what was found: soundreel models; fetch what is missing: soundreel models "
            f"pull; or name a folder: {mention('models_dir')}",
        )


def choose(found: Iterable[Found]) -> WeightSet:
    """The first usable file for each slot; `found` is in order of preference."""
    chosen: dict[str, Found] = {}
    for item in found:
        slot = next((slot for slot in SLOTS if slot.kind == item.kind and slot.required), None)
        if slot and not item.problem:
            chosen.setdefault(slot.name, item)
    return WeightSet(**chosen)


def given(path: Path, slot: str) -> Found:
    """The file or folder that the user named for a slot. Raises InputError where it is another
    kind, with the place where that kind belongs."""
    kind = next(s.kind for s in SLOTS if s.name == slot)
    candidates = list(scan([Place("given", path)])) if path.is_dir() else [_inspect(path, "given")]
    match = next((item for item in candidates if item.kind == kind), None)
    if match is None:
        raise InputError(
            f"{path} is not a {kind.value}: {_what(candidates)}", hint=_where(candidates, slot)
        )
    if match.problem:
        raise InputError(f"{path}: {match.problem}", hint="soundreel models shows what fits")
    return match


def fingerprint(found: Found) -> str:
    """Names the weights without reading all of them: SHA-256 over the size and 64 KiB from the
    start, the middle and the end of each file, 16 hex digits."""
    digest = hashlib.sha256()
    for path in found.files:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            for position in (0, size // 2, max(0, size - 65536)):
                file.seek(position)
                digest.update(file.read(65536))
    return digest.hexdigest()[:16]


# --- files ------------------------------------------------------------------------------------


def scan(where: Sequence[Place]) -> Iterator[Found]:
    """Everything recognised in these places, place by place, the smaller first in each."""
    seen: set[Path] = set()
    for place in where:
        if place.problem:
            yield _faulty(place.folder, place.origin, place.problem)
            continue
        files, problems = _listed(place.folder)
        items = [_inspect(path, place.origin) for path in _candidates(files, seen)]
        yield from sorted(items, key=lambda item: (item.problem != "", item.size))
        yield from (_faulty(place.folder, place.origin, problem) for problem in problems)


def _candidates(files: Sequence[Path], seen: set[Path]) -> Iterator[Path]:
    """Weight files and shard indices, each file once; shards stand behind their index."""
    indices = [path for path in files if path.name.endswith(_INDEX)]
    shards = {shard for path in indices for shard in _shards_of(path)}
    for path in indices + [p for p in files if p.suffix in SUFFIXES and p not in shards]:
        real = path.resolve()
        if real not in seen:
            seen.add(real)
            yield path


def _listed(folder: Path) -> tuple[list[Path], list[str]]:
    """Files that may be weights, sorted, and why some folders could not be read."""
    files: list[Path] = []
    problems: list[str] = []
    waiting = [(folder, _DEPTH)]
    entered: set[Path] = set()
    count = 0
    while waiting:
        here, depth = waiting.pop()
        try:
            entered.add(here.resolve())
            for path in here.iterdir():
                count += 1
                if path.is_dir():
                    if depth > 1 and path.name[0] != "." and path.resolve() not in entered:
                        waiting.append((path, depth - 1))
                elif (path.suffix in SUFFIXES or path.name.endswith(_INDEX)) and path.is_file():
                    files.append(path)
        except OSError as err:
            problems.append(f"cannot read {here}: {err.strerror or err}")
        if count > _MAX_ENTRIES:
            problems.append(f"{folder} holds more than {_MAX_ENTRIES:,} files: name its parts")
            break
    return sorted(files), problems


def _shards_of(index: Path) -> list[Path]:
    """The files of a sharded set that stand behind its index; none where it cannot be read."""
    try:
        return _files_of(index)
    except InputError:
        return []


def _inspect(path: Path, origin: str) -> Found:
    """What a file is. A damaged one is shown with its problem, not raised."""
    try:
        files = _files_of(path)
        header = _joined([read_header(file) for file in files])
        kind, form = recognise(header), number_format(files[0], header)
        problem = _problem(files[0], header, kind)
        size = sum(file.stat().st_size for file in files)
    except InputError as err:
        return _faulty(path, origin, err.message)
    except OSError as err:  # it went away meanwhile
        return _faulty(path, origin, f"cannot read {path}: {err.strerror or err}")
    numbers = sum(tensor.numel for tensor in header.tensors.values())
    return Found(kind, path, tuple(files), form, size, numbers, origin, problem)


def _faulty(path: Path, origin: str, problem: str) -> Found:
    return Found(Kind.UNKNOWN, path, (), "", 0, 0, origin, problem)


def _files_of(path: Path) -> list[Path]:
    """The file itself, or the shards that an index names. Raises InputError."""
    if not path.name.endswith(_INDEX):
        return [path]
    with faults_of(path, "an index of shards", FETCH_AGAIN):
        table = read_json_object(path, MAX_JSON).get("weight_map")
        if not isinstance(table, dict) or not table:
            raise ValueError("it names no files")
        files = sorted(_shard(path.parent, name) for name in set(table.values()))
        if len(files) > _MAX_SHARDS:
            raise ValueError(f"it names {len(files):,} files")
        gone = [file.name for file in files if not file.is_file()]
    if gone:
        raise InputError(f"{path}: {len(gone)} of {len(files)} shards are missing: {gone[0]}")
    return files


def _shard(folder: Path, name: object) -> Path:
    """A file of the index's own folder: an index must not lead anywhere else."""
    if not isinstance(name, str) or Path(name).name != name or "\\" in name:
        raise ValueError("its weight_map names other things than files beside it")
    return folder / name


def _joined(headers: Sequence[Header]) -> Header:
    tensors = {name: tensor for header in headers for name, tensor in header.tensors.items()}
    return Header(headers[0].container, tensors, headers[0].metadata)


def _problem(path: Path, header: Header, kind: Kind) -> str:
    foreign = foreign_formats(path, header)
    if foreign:
        names = ", ".join(foreign)
        return f"quantised as {names}, which is not supported: take fp8_scaled, bf16, fp16 or GGUF"
    packed = (Kind.S2V, Kind.I2V, Kind.TEXT_ENCODER, Kind.UNKNOWN)
    if header.container == "gguf" and kind not in packed:
        return f"a GGUF {kind.value} is not supported: take safetensors"
    return ""


def _what(candidates: Sequence[Found]) -> str:
    readable = [item for item in candidates if item.kind is not Kind.UNKNOWN]
    if readable:
        return "it is a " + " and a ".join(dict.fromkeys(item.kind.value for item in readable))
    damaged = [item.problem for item in candidates if item.problem]
    return damaged[0] if damaged else "no weights that are known here"


def _where(candidates: Sequence[Found], slot: str) -> str:
    """Where the file belongs instead, and which one belongs here."""
    right = next(file.name for file in PUBLISHED if file.slot == slot)
    wanted = f"the {slot} is e.g. {right}; soundreel models shows what lies where"
    own = next(each.folders[0] for each in SLOTS if each.name == slot)
    folder = next((FOLDERS[item.kind] for item in candidates if item.kind in FOLDERS), own)
    return wanted if folder == own else f"that belongs into models/{folder}; {wanted}"
