"""One unfinished job on disk: what was fixed when it started, and its sealed pieces.

    <work_dir>/<key>/        ours alone (0700)
        job.json            facts fixed at the start: seed, engine, output, the plan's digest
        vocals.wav          the voice of the sound, where that drives the picture
        chunk-00007.mp4     a finished piece of the final encoding
        chunk-00007.state   written last: seals this piece and all before it
    <work_dir>/<key>.lock   there while a process works on the job

A chunk ends with a piece, and its state is what the next chunk needs; older states are dropped,
unless the job keeps them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from soundreel.errors import WorkError, mention
from soundreel.events import Notice, RunControl
from soundreel.work.files import create, disk_errors, read_regular, write_atomic
from soundreel.work.lock import Lock
from soundreel.work.seal import NO_STATE, PieceFacts, Seal, pack, piece_facts, unpack

MARK = "soundreel job"
"""What tells our job.json from any other program's."""

Fixed = Callable[[str, Callable[[], Any]], Any]
"""(name, make): what `make` gave when it was first asked in this job; see `Job.fixed`."""

_FACTS = "job.json"
_MOST_FACTS = 1 << 20
"""Bytes; a name of a file is all that can be long in it."""

_UNBOUND = "0" * 64

_STATE = re.compile(r"chunk-([0-9]{5,9})\.state")
_OWN = re.compile(r"(job\.json|vocals\.wav|chunk-[0-9]{5,9}\.(mp4|mov|state)|owner)(\.part)?")

_RULES: dict[str, Callable[[object], bool]] = {
    "seed": lambda value: type(value) is int and 0 <= value < 2**64,
    "digest": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "asked": lambda value: isinstance(value, dict),
    "decisions": lambda value: (
        isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    ),
    "vocals": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "engine": lambda value: isinstance(value, str) and value != "",
    "first": lambda value: type(value) is int and value >= 0,
    "made": lambda value: (
        isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
    ),
    "film_tile": lambda value: type(value) is int and 128 <= value <= 1 << 16,
    "output": lambda value: (
        isinstance(value, str) and Path(value).is_absolute() and "\0" not in value
    ),
}
"""What a fact must be where we know it; job.json may have been written by anybody."""


class Job:
    """Open with `with Job(work_dir, key) as job`; WorkError if another process holds it."""

    def __init__(
        self,
        work_dir: Path,
        key: str,
        control: RunControl | None = None,
        *,
        keep_states: bool = False,
    ) -> None:
        self.key = key
        self.folder = work_dir / key
        self._lock = Lock(work_dir / f"{key}.lock")
        self._held: list[Lock] = []
        self._control = control or RunControl()
        self.keep_states = keep_states
        self._pieces: tuple[PieceFacts, ...] = ()

    def __enter__(self) -> Job:
        work_dir = self.folder.parent
        with disk_errors(f"use the work folder {work_dir}"):
            _make_private(work_dir)
            if not self._lock.acquire():
                raise WorkError(
                    f"another process is working on this job ({self.folder})",
                    hint="wait for it, or stop it and run the command again",
                )
            try:
                self._take_folder()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None and not self.sealed:
                self.remove()  # nothing worth resuming
        finally:
            for lock in reversed(self._held):
                lock.release()
            self._lock.release()

    def hold(self, lock: Lock) -> None:
        """Release `lock`, which is acquired, when the job is closed."""
        self._held.append(lock)

    def fact(self, name: str) -> Any | None:
        """What `fixed` decided in an earlier run, None where nothing is yet."""
        return self._facts().get(name)

    def fixed(self, name: str, make: Callable[[], Any]) -> Any:
        """A fact (plain JSON) that is decided once, when the job starts, and kept for its life."""
        facts = self._facts()
        return facts[name] if name in facts else self.fix(name, make())

    def fix(self, name: str, value: object) -> Any:
        """Decide a fact, anew where it was decided before."""
        facts = {MARK: 1, **self._facts(), name: value}
        write_atomic(self._facts_path, json.dumps(facts, indent=1).encode())
        return value

    def bind(self, digest: str) -> None:
        """Tie the job to one plan. WorkError if its chunks belong to another."""
        if self.fixed("digest", lambda: digest) != digest:
            raise WorkError(
                f"the unfinished job in {self.folder} was made with another plan "
                "(other versions, weights or encoder)",
                hint=self._restart_hint(),
            )

    @property
    def sealed(self) -> int:
        """How many pieces are finished, counted from the first."""
        return max((index for index, _ in self._states()), default=-1) + 1

    def piece(self, index: int) -> Path:
        """Where the encoded pictures of piece `index` lie."""
        return self.folder / f"chunk-{index:05d}.mp4"

    @property
    def vocals(self) -> Path:
        """Where the voice lies that was separated for this job; the fact "vocals" has its hash."""
        return self.folder / "vocals.wav"

    def seal(self, index: int, session: bytes, post: bytes) -> None:
        """Record that the chunk which ends with piece `index` is whole, with the states that the
        next one starts from."""
        if len(self._pieces) != self.sealed:
            self._pieces = self._sealed_pieces(self._read_seal(self.sealed - 1))
        for new in range(len(self._pieces), index + 1):
            with disk_errors(f"read {self.piece(new)}"):
                self._pieces = (*self._pieces, piece_facts(self.piece(new)))
        binding = self._facts().get("digest", _UNBOUND)
        write_atomic(self._state(index), *pack(binding, self._pieces, session, post))
        for other, path in self._states():
            if other != index and not self.keep_states:
                path.unlink(missing_ok=True)

    def saved_state(self, index: int) -> tuple[bytes, bytes] | None:
        """Session and post state after piece `index`, None where they are not here; pieces are not
        looked at. WorkError if they are not what was sealed."""
        if all(index != other for other, _ in self._states()):
            return None
        seal = self._read_seal(index)
        return None if seal.session == NO_STATE else (seal.session, seal.post)

    def state(self, index: int) -> tuple[bytes, bytes]:
        """Session and post state after piece `index`. WorkError if the seal or one of the pieces
        is not what was sealed."""
        seal = self._read_seal(index)
        self._pieces = self._sealed_pieces(seal)
        self.check_pieces()
        return seal.session, seal.post

    def check_pieces(self) -> None:
        """Compare every sealed piece with its seal. WorkError if one is not what was sealed."""
        if self.sealed and not self._pieces:
            self._pieces = self._sealed_pieces(self._read_seal(self.sealed - 1))
        for index, expected in enumerate(self._pieces):
            self._control.raise_if_cancelled()
            with disk_errors(f"read {self.piece(index)}"):
                found = piece_facts(self.piece(index))
            if found != expected:
                raise self._damaged(self.piece(index))

    def remove(self) -> None:
        """Forget the job: its result is safe. Only what we wrote goes; the seals first, so that a
        kill in the middle leaves no seal without its piece or its facts."""
        with suppress(OSError):
            own = [path for path in self.folder.iterdir() if _OWN.fullmatch(path.name)]
            for path in sorted(
                own, key=lambda path: (path.name == _FACTS, path.suffix != ".state")
            ):
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    @property
    def _facts_path(self) -> Path:
        return self.folder / _FACTS

    def _facts(self) -> dict[str, Any]:
        try:
            facts = json.loads(read_regular(self._facts_path, _MOST_FACTS))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as err:
            raise WorkError(
                f"{self._facts_path} cannot be read: {err}", hint=self._restart_hint()
            ) from err
        if not isinstance(facts, dict):
            raise self._damaged(self._facts_path)
        for name, rule in _RULES.items():
            if name in facts and not rule(facts[name]):
                raise WorkError(
                    f"{self._facts_path} is damaged: {name!r} cannot be {facts[name]!r:.80}",
                    hint=self._restart_hint(),
                )
        return facts

    def _take_folder(self) -> None:
        """Make the folder, or go on in it. Where others could have put something into it, nothing
        of it is trusted."""
        _make_private(self.folder)
        if not stat.S_ISDIR(self.folder.lstat().st_mode):
            raise WorkError(
                f"{self.folder} is not a folder of ours",
                hint=f"choose another with {mention('work_dir')}",
            )
        self._require_own()
        if os.path.lexists(self._facts_path):
            return
        lost = [path for path in self.folder.glob("chunk-*") if _OWN.fullmatch(path.name)]
        for path in lost:
            path.unlink(missing_ok=True)
        if lost:
            self._tell(
                f"the unfinished parts in {self.folder} are not used: {_FACTS}, which says what "
                "they belong to, is gone"
            )

    def _require_own(self) -> None:
        """The folder belongs to whom the disk takes us for: asked by making a file, since a share
        may give all files to one user."""
        if os.name == "nt":
            return
        sample = self.folder / "owner.part"
        create(sample)
        us = sample.lstat().st_uid
        sample.unlink()
        status = self.folder.lstat()
        if status.st_uid != us:
            raise WorkError(
                f"the work folder {self.folder} belongs to another user",
                hint=f"choose another with {mention('work_dir')}",
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            with suppress(OSError):  # a file system without modes
                self.folder.chmod(0o700)

    def _states(self) -> list[tuple[int, Path]]:
        """The seals that lie here, by chunk; what only looks like one is passed over."""
        found = ((_STATE.fullmatch(path.name), path) for path in self.folder.glob("chunk-*.state"))
        return [(int(name[1]), path) for name, path in found if name and _is_regular(path)]

    def _read_seal(self, index: int) -> Seal:
        path = self._state(index)
        with disk_errors(f"read {path}"):
            data = read_regular(path)
        try:
            seal = unpack(data)
        except ValueError as err:
            raise self._damaged(path) from err
        if seal.pieces is not None and len(seal.pieces) != index + 1:
            raise self._damaged(path)
        if seal.pieces is not None and seal.binding != self._facts().get("digest", seal.binding):
            raise WorkError(
                f"{path} belongs to another plan than {_FACTS} says", hint=self._restart_hint()
            )
        return seal

    def _sealed_pieces(self, seal: Seal) -> tuple[PieceFacts, ...]:
        """What the pieces must be; in the first form of the seal, what they are now."""
        if seal.pieces is not None:
            return seal.pieces
        last = self.sealed - 1
        with disk_errors(f"read the pieces in {self.folder}"):
            pieces = tuple(piece_facts(self.piece(index)) for index in range(last + 1))
        if pieces[-1].size != seal.last_size:
            raise self._damaged(self.piece(last))
        self._tell(
            f"{len(pieces)} finished parts were sealed by an earlier version, without a digest: "
            "they are taken as they lie"
        )
        return pieces

    def _state(self, index: int) -> Path:
        return self.piece(index).with_suffix(".state")

    def _damaged(self, path: Path) -> WorkError:
        return WorkError(f"{path} is damaged", hint=self._restart_hint())

    def _restart_hint(self) -> str:
        return f"to start over, delete {self.folder}"

    def _tell(self, message: str) -> None:
        self._control.emit(Notice(message))


def _make_private(folder: Path) -> None:
    """A folder that we make is ours alone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
