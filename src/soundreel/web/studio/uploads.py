"""Files that clients gave: named by their content, looked at before anything uses them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from soundreel.errors import InputError
from soundreel.web.asked.asked import UPLOAD
from soundreel.web.asked.fields import TEXT_ENDINGS
from soundreel.web.studio.refusals import TooLarge

_PREFIX = "upload_"
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Upload:
    """id: its content's hash; name: as the client called it, for people only; about: what it is
    (see `work.look_at`)."""

    id: str
    name: str
    size: int
    created: float
    about: Mapping[str, Any]
    path: Path


class Uploads:
    """A folder of them. look_at: says what a file is, or raises; limit: bytes of one."""

    def __init__(
        self, folder: Path, limit: int, look_at: Callable[[Path], Mapping[str, Any]]
    ) -> None:
        self._folder, self._limit, self._look_at = folder, limit, look_at
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob("*.part*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def receiving(self, name: str) -> Iterator[Receiver]:
        """Takes a file in pieces; `keep` ends it."""
        with Receiver(self._folder, self._limit, clean_name(name)) as receiver:
            yield receiver

    def keep(self, receiver: Receiver) -> Upload:
        """The whole file, looked at. Raises InputError or ChildFailed; then nothing of it stays."""
        key, path = receiver.key, self._folder / f"{receiver.digest}{receiver.ending}"
        found = self._find(key)
        if found is None:
            about = self._look_at(receiver.path)
            receiver.path.replace(path)
        else:
            about = found.about
            os.utime(found.path)
        self._write_note(receiver, about)
        return self.get(key)

    def keep_bytes(self, content: bytes, name: str) -> Upload:
        with self.receiving(name) as receiver:
            receiver.write(content)
            return self.keep(receiver)

    def get(self, key: str) -> Upload:
        """Raises InputError where there is none."""
        found = self._find(key)
        if found is None:
            raise InputError(
                "there is no such upload",
                hint="send the file again: those that no job needs are removed after some days",
                rule="the id of an upload",
            )
        return found

    def all(self) -> list[Upload]:
        """The newest first."""
        keys = (f"{_PREFIX}{note.stem}" for note in self._folder.glob("*.about"))
        found = [upload for key in keys if (upload := self._find(key)) is not None]
        return sorted(found, key=lambda upload: -upload.created)

    def peaks(self, key: str) -> Path:
        """Where a sound's fine waveform is kept, once it was asked for."""
        return self._folder / f"{key.removeprefix(_PREFIX)}.peaks"

    def remove(self, key: str) -> None:
        found = self.get(key)
        found.path.unlink(missing_ok=True)
        self.peaks(key).unlink(missing_ok=True)
        self._note(key.removeprefix(_PREFIX)).unlink(missing_ok=True)

    def sweep(self, days: float, needed: Collection[str]) -> int:
        """Remove what no job needs and nobody used for so long; how many."""
        oldest = time.time() - days * 86400
        old = [
            each
            for each in self.all()
            if each.id not in needed and each.path.stat().st_mtime < oldest
        ]
        for each in old:
            self.remove(each.id)
        return len(old)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(path.stat().st_size for path in self._folder.iterdir() if path.is_file())

    def _find(self, key: str) -> Upload | None:
        if not UPLOAD.fullmatch(key):
            return None
        digest = key.removeprefix(_PREFIX)
        try:
            noted = json.loads(self._note(digest).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        for ending in ("", *TEXT_ENDINGS):
            path = self._folder / f"{digest}{ending}"
            if path.is_file():
                size = path.stat().st_size
                return Upload(key, noted["name"], size, noted["created"], noted["about"], path)
        return None

    def _write_note(self, receiver: Receiver, about: Mapping[str, Any]) -> None:
        """Who gives it last names it."""
        document = {"name": receiver.name, "created": time.time(), "about": dict(about)}
        part = self._folder / f"{secrets.token_hex(16)}.part"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(self._note(receiver.digest))

    def _note(self, digest: str) -> Path:
        return self._folder / f"{digest}.about"


class Receiver:
    """A file on its way in. Nothing of it stays unless it is kept."""

    def __init__(self, folder: Path, limit: int, name: str) -> None:
        self.name, self._limit, self.size = name, limit, 0
        ending = Path(name).suffix.lower()
        self.ending = ending if ending in TEXT_ENDINGS else ""
        self.path = folder / f"{secrets.token_hex(16)}.part{self.ending}"
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        self._file = os.fdopen(
            os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Raises TooLarge as soon as there is too much of it."""
        self.size += len(piece)
        if self.size > self._limit:
            raise TooLarge(self._limit)
        self._hash.update(piece)
        self._file.write(piece)

    @property
    def digest(self) -> str:
        self._file.flush()
        return self._hash.hexdigest()

    @property
    def key(self) -> str:
        return f"{_PREFIX}{self.digest}"


def clean_name(name: str) -> str:
    """A client's name of a file, for people to read: without folders and signs that act."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(char for char in last if char.isprintable())[:_MAX_NAME] or "file"
