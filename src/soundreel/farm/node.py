"""What runs on a node of a Ray cluster, which shares no disk with the job: one worker, with an
engine of its own. Pieces go back as bytes."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from soundreel.config import Settings, load_settings
from soundreel.events import Event
from soundreel.farm.messages import Work
from soundreel.farm.parcels import unpack, write_blocks
from soundreel.farm.worker import UnitWorker
from soundreel.installation import __version__
from soundreel.render.maker import MadeChunk
from soundreel.types import Check
from soundreel.versions import versions
from soundreel.work.lock import Lock

if TYPE_CHECKING:
    from ray import ObjectRef

_GATHER_S = 0.5
"""Events wait so long for more: an answer costs the job's process 0.4 ms, and a worker would give
one for each picture."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A chunk on its way: the content of its files, by their names in the job's folder."""

    made: MadeChunk
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Look:
    """What a node says of itself. engines: their checks, as `soundreel doctor` shows them."""

    version: str
    engines: Mapping[str, Sequence[Check]]


class Node:
    """An actor with two threads, so that it can be told something while it is listened to."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._thread: Thread | None = None
        self._place = NodeFolder(load_settings().work_dir / "nodes")

    def begin(
        self, work: bytes, files: Mapping[str, Sequence[ObjectRef[bytes]]]
    ) -> Mapping[str, str]:
        """Take what is to be made; the node finds its weights by its own settings. Gives versions
        of what decides the bytes; raises OSError where the disk takes no files."""
        import ray

        self._place.take()
        inputs = self._place.path / "inputs"
        for name, blocks in files.items():
            write_blocks(inputs / name, (ray.get(block) for block in blocks))
        asked: Work = unpack(work, inputs)
        local = replace(
            asked,
            settings=_own_settings(asked.settings),
            folder=self._place.path,
            paces=self._place.path,
        )
        worker = UnitWorker(local, self._inbox, self._say)
        self._thread = Thread(target=worker.run, daemon=True)
        self._thread.start()
        return versions(local.plan)

    def say(self, word: object) -> None:
        """See `farm.messages`."""
        self._inbox.put(word)

    def hear(self) -> list[Any]:
        """All that was said since the last time; waits for something."""
        words, end = [self._outbox.get()], time.monotonic() + _GATHER_S
        with suppress(Empty):
            while True:
                left = end - time.monotonic() if isinstance(words[-1], Event) else 0
                words.append(self._outbox.get(timeout=max(left, 0)))
        return words

    def leave(self) -> None:
        """Close the engine, and remove what was written here."""
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()
        self._place.leave()

    def _say(self, word: object) -> None:
        if isinstance(word, MadeChunk):
            files = {name: path.read_bytes() for name, path in word.files.items()}
            for path in word.files.values():
                path.unlink()
            word = Parcel(replace(word, files={}), files)
        self._outbox.put(word)


def look() -> Look:
    """What can run on this node."""
    from soundreel.registry import checks, engine_names

    settings = load_settings()
    return Look(__version__, {name: checks(name, settings) for name in engine_names()})


def _own_settings(asked: Settings) -> Settings:
    """Folders, weights and cards are the node's; the job's is what it may use of them."""
    return load_settings().model_copy(update={"workers": asked.workers})


class NodeFolder:
    """A folder for one worker. Those of workers that were killed are removed by the next one."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self.path = parent / secrets.token_hex(8)
        self._lock = Lock(parent / f"{self.path.name}.lock")

    def take(self) -> None:
        self._parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        self._lock.acquire()
        self.path.mkdir(mode=0o700)

    def leave(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()

    def _sweep(self) -> None:
        for folder in self._parent.glob("*/"):
            lock = Lock(self._parent / f"{folder.name}.lock")
            if lock.acquire():
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
