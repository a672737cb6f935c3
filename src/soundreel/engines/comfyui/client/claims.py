"""Who is still there: a killed client leaves prompts on the server, which nobody waits for.

Every client holds a lock file named after its client id, which the system lets go of when the
process dies, however it dies. So a prompt whose client's lock can be taken is an orphan. Prompts
without such a file here (other people's, or sent from another machine) are never touched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_KEEP_DAYS = 7
_CLIENT_ID = re.compile(r"[0-9a-f]{32}")


class Claim:
    """The lock of one client, from `hold` to `release`; folder None holds nothing."""

    def __init__(self, folder: Path | None, client_id: str) -> None:
        self._folder = folder
        path = None if folder is None else folder / f"{client_id}.lock"
        self._lock = None if path is None else FileLock(path, thread_local=False)

    def hold(self) -> None:
        """A folder that cannot be written only means that a later run cannot know us."""
        if self._lock is not None and self._folder is not None:
            with suppress(OSError, Timeout):
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(timeout=0)
                self._sweep(self._folder)

    def release(self, *, settled: bool) -> None:
        """settled: nothing of this client is left on the server; then its file goes too."""
        if self._lock is not None and self._lock.is_locked:
            self._lock.release()
            if settled:
                with suppress(OSError):
                    Path(self._lock.lock_file).unlink()

    @property
    def knows_others(self) -> bool:
        return self._folder is not None

    def orphans(self, client_ids: Iterable[str]) -> set[str]:
        """Those of the clients that were started here and are dead."""
        return {name for name in client_ids if self._is_dead(name)}

    def forget(self, client_ids: Iterable[str]) -> None:
        """Their prompts are gone."""
        for name in client_ids:
            with suppress(OSError):
                self._path(name).unlink()

    def _sweep(self, folder: Path) -> None:
        """Forget clients that died long ago: no server holds a prompt of theirs any more."""
        limit = time.time() - _KEEP_DAYS * 86400
        for path in folder.glob("*.lock"):
            if path.stat().st_mtime < limit and self._is_dead(path.stem):
                self.forget((path.stem,))

    def _path(self, client_id: str) -> Path:
        return (self._folder or Path()) / f"{client_id}.lock"

    def _is_dead(self, client_id: str) -> bool:
        if self._folder is None or not _CLIENT_ID.fullmatch(client_id):
            return False
        if not self._path(client_id).exists():
            return False
        try:
            with FileLock(self._path(client_id)).acquire(timeout=0):
                return True
        except (OSError, Timeout):
            return False
