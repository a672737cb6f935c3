"""One unfinished job on disk: what was fixed when it started, and its sealed pieces.

    <work_dir>/<key>/        ours alone (0700)
        job.json            facts fixed at the start: seed, engine, output, the plan's digest
        vocals.wav          the voice of the sound, where that drives the picture
        chunk-00007.mp4     a piece of the final encoding
        chunk-00007.held    pictures of its chunk that wait for those of a crossfade's other shot
        chunk-00007.state   written last: seals this piece
    <work_dir>/<key>.lock   there while a process works on the job

Pieces are sealed in any order. A chunk ends with a piece, whose seal has what the next chunk needs.
It takes the place of the seal of the chunk that it went on from, and seals that one's pieces, too;
a job that keeps all states keeps both.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from soundreel.errors import WorkError, mention
from soundreel.events import Notice, RunControl
from soundreel.work.facts import FACTS, MARK, read_facts
from soundreel.work.files import create, disk_errors, read_regular, write_atomic
from soundreel.work.lock import Lock
from soundreel.work.seal import (
    NO_STATE,
    PieceFacts,
    Seal,
    pack,
    piece_facts,
    sealed_pieces,
    unpack,
)

Fixed = Callable[[str, Callable[[], Any]], Any]
"""(name, make): what `make` gave when it was first asked in this job; see `Job.fixed`."""

_UNBOUND = "0" * 64

_STATE = re.compile(r"chunk-([0-9]{5,9})\.state")
_OWN = re.compile(
    r"(job\.json|vocals\.wav|chunk-[0-9]{5,9}\.(mp4|mov|state|held)|owner)(\.[0-9a-f]+)?(\.part)?"
)
_LEFT = re.compile(r"chunk-[0-9]{5,9}\.[a-z0-9]+\.[0-9a-f]+\.part")
"""What a hand had begun when it was killed."""


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
        self._index: _Index | None = None
        self._binding = ""

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
        self._binding = digest

    @property
    def sealed(self) -> int:
        """How many pieces are finished."""
        return len(self.sealed_pieces)

    @property
    def sealed_pieces(self) -> Collection[int]:
        """Those that are finished, by index, as far as a glance shows."""
        if self._index is not None:
            return self._index.pieces.keys()
        found: set[int] = set()
        for index, path in self._states():
            try:
                found.update(sealed_pieces(path, index))
            except (OSError, ValueError):  # said where it is used
                found.add(index)
        return found

    @property
    def made_by(self) -> Mapping[int, str]:
        """The hands that made pieces, by the pieces' indices, where it makes a difference."""
        return {n: one.by for n, one in self._whole_index().pieces.items() if one.by}

    def piece(self, index: int) -> Path:
        """Where the encoded pictures of piece `index` lie."""
        return self.folder / piece_name(index)

    def held(self, index: int) -> Path:
        """Where pictures lie that wait, of the chunk that ends with piece `index`."""
        return self.folder / held_name(index)

    @property
    def vocals(self) -> Path:
        """Where the voice lies that was separated for this job; the fact "vocals" has its hash."""
        return self.folder / "vocals.wav"

    def seal(
        self, index: int, session: bytes, post: bytes, *, after: int | None = None, by: str = ""
    ) -> None:
        """Record that piece `index` is whole, with the states that the next chunk starts from.
        after: the piece whose states its chunk went on from, which nobody needs any more; by: the
        hand that made it."""
        known = self._whole_index()
        with disk_errors(f"read {self.piece(index)}"):
            pieces = {index: piece_facts(self.piece(index), by)}
        if after is not None and not self.keep_states:
            pieces = {n: known.pieces[n] for n in known.by_seal.get(after, ())} | pieces
        parts = pack(self._plan_digest() or _UNBOUND, pieces, session, post)
        write_atomic(self._state(index), *parts)
        if len(pieces) > 1 and after is not None:
            self._state(after).unlink(missing_ok=True)
            known.by_seal.pop(after, None)
        known.add(index, pieces)

    def saved_state(self, index: int) -> tuple[bytes, bytes] | None:
        """Session and post state after piece `index`, None where they are not here; pieces are not
        looked at. WorkError if they are not what was sealed."""
        if all(index != other for other, _ in self._states()):
            return None
        seal = self._read_seal(index)
        return None if seal.session == NO_STATE else (seal.session, seal.post)

    def state(self, index: int) -> tuple[bytes, bytes]:
        """Session and post state after piece `index`. WorkError if they are not what was sealed."""
        seal = self._read_seal(index)
        return seal.session, seal.post

    def check_pieces(self) -> None:
        """Compare every sealed piece with its seal. WorkError if one is not what was sealed."""
        for index, expected in sorted(self._whole_index().pieces.items()):
            self._control.raise_if_cancelled()
            with disk_errors(f"read {self.piece(index)}"):
                found = piece_facts(self.piece(index), expected.by)
            if found != expected:
                raise self._damaged(self.piece(index))

    def remove(self) -> None:
        """Forget the job: its result is safe. Only what we wrote goes; the seals first, so that a
        kill in the middle leaves no seal without its piece or its facts."""
        with suppress(OSError):
            own = [path for path in self.folder.iterdir() if _OWN.fullmatch(path.name)]
            for path in sorted(own, key=lambda path: (path.name == FACTS, path.suffix != ".state")):
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    @property
    def _facts_path(self) -> Path:
        return self.folder / FACTS

    def _facts(self) -> dict[str, Any]:
        return read_facts(self._facts_path, self._restart_hint())

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
        for path in self.folder.glob("chunk-*"):
            if _LEFT.fullmatch(path.name):
                path.unlink(missing_ok=True)
        if os.path.lexists(self._facts_path):
            return
        lost = [path for path in self.folder.glob("chunk-*") if _OWN.fullmatch(path.name)]
        for path in lost:
            path.unlink(missing_ok=True)
        if lost:
            self._tell(
                f"the unfinished parts in {self.folder} are not used: {FACTS}, which says what "
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
        if seal.pieces is not None and index not in seal.pieces:
            raise self._damaged(path)
        if seal.pieces is not None and seal.binding != (self._plan_digest() or seal.binding):
            raise WorkError(
                f"{path} belongs to another plan than {FACTS} says", hint=self._restart_hint()
            )
        return seal

    def _plan_digest(self) -> str:
        """ "" where the job is not tied to a plan."""
        return self._binding or str(self._facts().get("digest", ""))

    def _whole_index(self) -> _Index:
        """Of all seals that lie here, read once. WorkError if one is not what was written."""
        if self._index is None:
            index = _Index()
            for number, _ in sorted(self._states()):
                seal = self._read_seal(number)
                pieces = self._as_they_lie(number, seal) if seal.pieces is None else seal.pieces
                index.add(number, pieces)
            self._index = index
        return self._index

    def _as_they_lie(self, last: int, seal: Seal) -> dict[int, PieceFacts]:
        """What the pieces are now, of which the first form of the seal does not say it."""
        with disk_errors(f"read the pieces in {self.folder}"):
            pieces = {index: piece_facts(self.piece(index)) for index in range(last + 1)}
        if pieces[last].size != seal.last_size:
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


class _Index:
    """What is sealed: every piece, and which of them by the seal of which."""

    def __init__(self) -> None:
        self.pieces: dict[int, PieceFacts] = {}
        self.by_seal: dict[int, tuple[int, ...]] = {}

    def add(self, seal: int, pieces: Mapping[int, PieceFacts]) -> None:
        self.pieces.update(pieces)
        self.by_seal[seal] = tuple(pieces)


def piece_name(index: int) -> str:
    """Of the file of a piece."""
    return f"chunk-{index:05d}.mp4"


def held_name(index: int) -> str:
    """Of the file of pictures that wait, of the chunk that ends with a piece."""
    return f"chunk-{index:05d}.held"


def _make_private(folder: Path) -> None:
    """A folder that we make is ours alone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
