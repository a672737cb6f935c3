"""Starts queued jobs in the order of coming, as slots are free, each in a child of its own."""

from __future__ import annotations

import logging
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from soundreel.web.jobs.child import Child, ChildFailed
from soundreel.web.jobs.live import Live
from soundreel.web.jobs.slots import Slot, Slots
from soundreel.web.jobs.store import Store, StoredJob

Describe = Callable[[StoredJob, Slot], Mapping[str, Any]]
"""The arguments of `work.make` for a job."""

CANCELLED: Mapping[str, Any] = {
    "code": "cancelled",
    "message": "it was cancelled",
    "hint": "ask for it again to have it made",
}
_MAKE = "soundreel.web.jobs.work:make"
_LOOK_AGAIN_S = 5.0
_MAX_NOTICES = 50
log = logging.getLogger("soundreel.web")


class Runner:
    """on_end: hears of each job that ended, also where it was removed meanwhile. Jobs that ran when
    the server before this one died are taken up first."""

    def __init__(
        self,
        store: Store,
        slots: Slots,
        live: Live,
        describe: Describe,
        on_end: Callable[[StoredJob], None],
    ) -> None:
        self._store, self._slots, self._live = store, slots, live
        self._describe, self._on_end = describe, on_end
        self._wake, self._stopped = threading.Condition(), False
        self._children: dict[str, Child] = {}
        self._cancelled: set[str] = set()
        self._threads: set[threading.Thread] = set()
        self._dispatcher = threading.Thread(target=self._dispatch, name="dispatch", daemon=True)

    def start(self) -> None:
        self._store.requeue_running()
        self._dispatcher.start()

    def stop(self) -> None:
        """End the children at once; their jobs go on from what is sealed when a server starts."""
        with self._wake:
            self._stopped = True
            children = list(self._children.values())
            self._wake.notify_all()
        for child in children:
            child.kill()
        if self._dispatcher.ident is not None:
            self._dispatcher.join()
        for thread in list(self._threads):
            thread.join()

    def wake(self) -> None:
        """There may be something to start."""
        with self._wake:
            self._wake.notify_all()

    def cancel(self, key: str) -> None:
        """Stop it, if it runs. It ends as failed, with the code "cancelled"."""
        with self._wake:
            self._cancelled.add(key)
            child = self._children.get(key)
        if child is not None:
            child.cancel()

    def _dispatch(self) -> None:
        while not self._stopped:
            try:
                self._start_all()
            except Exception:
                log.exception("the queue could not be looked at")
            with self._wake:
                if not self._stopped:
                    self._wake.wait(_LOOK_AGAIN_S)

    def _start_all(self) -> None:
        """A job that waits for a slot of its engine lets those of other engines pass."""
        full = set[str]()
        for job in self._store.with_status("queued"):
            if self._stopped or job.engine in full:
                continue
            slot = self._slots.take(job.engine)
            if slot is None:
                full.add(job.engine)
                continue
            started = self._store.start(job.id)
            if started is None:  # it was cancelled meanwhile
                self._slots.give(slot)
                continue
            thread = threading.Thread(target=self._run, args=(started, slot), daemon=True)
            self._threads.add(thread)
            thread.start()

    def _run(self, job: StoredJob, slot: Slot) -> None:
        self._live.touch(job.id)
        try:
            ended = self._made(job, slot)
        except Exception:
            log.exception("job %s could not be run", job.id)
            ended = self._store.fail(
                job.id, {"code": "internal", "message": "a fault of the server"}
            )
        finally:
            self._slots.give(slot)
            self._threads.discard(threading.current_thread())
        self._live.end(job.id)
        if not self._stopped:
            self._on_end(ended or job)
        self.wake()

    def _made(self, job: StoredJob, slot: Slot) -> StoredJob | None:
        """The ended job; None where the server stops, or where it is gone."""
        try:
            with Child() as child:
                with self._wake:
                    if self._stopped:
                        return None
                    self._children[job.id] = child
                    cancelled = job.id in self._cancelled
                if cancelled:
                    raise ChildFailed(CANCELLED)
                hear = partial(self._hear, job, list(job.notices))
                result = child.call(_MAKE, self._describe(job, slot), hear)
        except ChildFailed as err:
            if self._stopped:
                return None
            was_cancelled = job.id in self._cancelled
            return self._store.fail(job.id, CANCELLED if was_cancelled else err.document)
        finally:
            with self._wake:
                self._children.pop(job.id, None)
                self._cancelled.discard(job.id)
        return self._store.complete(job.id, result)

    def _hear(self, job: StoredJob, notices: list[str], message: Mapping[str, Any]) -> None:
        if "now" in message:
            before = self._live.now(job.id)
            percent = int(message["progress"])
            if before is None or before.get("progress") != percent:
                self._store.progress(job.id, percent)
            self._live.tell(job.id, {**message["now"], "progress": percent})
        elif "notice" in message:
            if message["notice"] not in notices and len(notices) < _MAX_NOTICES:
                notices.append(message["notice"])
                self._store.notice(job.id, notices)
                self._live.touch(job.id)
        elif "preview" in message:
            seen = message["preview"]
            image = b64decode(seen["image"])
            self._live.show(job.id, image, seen["type"], seen["chunk"], seen["step"])
