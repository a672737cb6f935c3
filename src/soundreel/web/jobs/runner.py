"""Starts queued jobs in the order of coming, as hands are free, each in a child of its own."""

from __future__ import annotations

import logging
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from soundreel.farm.child import Child, ChildFailed
from soundreel.farm.shares import Share, Shares, Want, kind_of
from soundreel.web.jobs.helpers import WORK
from soundreel.web.jobs.live import Live
from soundreel.web.jobs.store import Store, StoredJob

Describe = Callable[[StoredJob, Share], Mapping[str, Any]]
"""The arguments of `work.make` for a job."""

CANCELLED: Mapping[str, Any] = {
    "code": "cancelled",
    "message": "it was cancelled",
    "hint": "ask for it again to have it made",
}
_LOOK_AGAIN_S = 5.0
_MAX_NOTICES = 50
log = logging.getLogger("soundreel.web")


class Runner:
    """on_end: hears of each job that ended, also where it was removed meanwhile. Jobs that ran when
    the server before this one died are taken up first."""

    def __init__(
        self,
        store: Store,
        shares: Shares,
        live: Live,
        describe: Describe,
        on_end: Callable[[StoredJob], None],
    ) -> None:
        self._store, self._shares, self._live = store, shares, live
        self._describe, self._on_end = describe, on_end
        self._wake, self._stopped = threading.Condition(), False
        self._children: dict[str, Child] = {}
        self._cancelled: set[str] = set()
        self._tried: dict[str, frozenset[str]] = {}
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
        """A job whose hands are all taken lets those of other engines pass."""
        queued = self._store.with_status("queued")
        wants = [want_of(job, self._tried.get(job.id, frozenset())) for job in queued]
        for job, share in zip(queued, self._shares.deal(wants), strict=True):
            if share is not None:
                self._start(job, share)

    def _start(self, job: StoredJob, share: Share) -> None:
        started = None
        try:
            started = None if self._stopped else self._store.start(job.id)
        except Exception:
            log.exception("job %s could not be started", job.id)
        if started is None:  # it was cancelled meanwhile
            self._shares.give(share)
            return
        thread = threading.Thread(target=self._run, args=(started, share), daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self, job: StoredJob, share: Share) -> None:
        self._live.touch(job.id)
        try:
            ended = self._made(job, share)
        except Exception:
            log.exception("job %s could not be run", job.id)
            ended = self._store.fail(
                job.id, {"code": "internal", "message": "a fault of the server"}
            )
        finally:
            self._shares.give(share)
            self._threads.discard(threading.current_thread())
        self._live.end(job.id)
        waits_again = ended is not None and ended.status == "queued"
        if not (self._stopped or waits_again):
            self._tried.pop(job.id, None)
            self._on_end(ended or job)
        self.wake()

    def _made(self, job: StoredJob, share: Share) -> StoredJob | None:
        """The ended job, or one that waits for another server; None where this one stops, or where
        the job is gone."""
        try:
            with Child(WORK) as child:
                with self._wake:
                    if self._stopped:
                        return None
                    self._children[job.id] = child
                    cancelled = job.id in self._cancelled
                if cancelled:
                    raise ChildFailed(CANCELLED)
                hear = partial(self._hear, job, list(job.notices))
                result = child.call("make", self._describe(job, share), hear)
        except ChildFailed as err:
            if self._stopped:
                return None
            if job.id in self._cancelled:
                return self._store.fail(job.id, CANCELLED)
            return self._failed(job, share, err.document)
        finally:
            with self._wake:
                self._children.pop(job.id, None)
                self._cancelled.discard(job.id)
        return self._store.complete(job.id, result)

    def _failed(self, job: StoredJob, share: Share, error: Mapping[str, Any]) -> StoredJob | None:
        """Another server may make what this one cannot."""
        tried = self._tried.get(job.id, frozenset())
        if not self._shares.may_pass_on(share, str(error.get("type")), tried):
            return self._store.fail(job.id, error)
        self._tried[job.id] = tried | {*share.hands}
        noted = self._store.get(job.id)
        if noted is not None:
            words = f"{error['message']}; another server is asked"
            self._store.notice(job.id, [*noted.notices, words][:_MAX_NOTICES])
        return self._store.requeue(job.id)

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


def want_of(job: StoredJob, refused: frozenset[str] = frozenset()) -> Want:
    """As its plan says; one that an earlier version stored does not."""
    kind = kind_of(job.engine, job.asked["values"].get("interpolate", "auto"))
    return Want(kind, min(_parts(job), job.plan.get("hands", len(job.plan["shots"]))), refused)


def _parts(job: StoredJob) -> int:
    """Most that can be made at once; of a part of a finished video the others are there."""
    again, chunks = job.again or {}, job.plan["chunks"]
    if again.get("chunk") is not None:
        return 1
    if again.get("shot") is None:
        return len(chunks)
    own = sum(chunk["shot"] == again["shot"] - 1 for chunk in chunks)
    return max(1, own if job.plan.get("parts_alone") else 1)
