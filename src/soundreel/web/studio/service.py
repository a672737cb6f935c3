"""The studio: jobs are asked for, seen, stopped, removed. It never renders by itself."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soundreel.config import Settings
from soundreel.documents.failures import error_json
from soundreel.engines.preview.session import core_count
from soundreel.errors import InputError, WorkError
from soundreel.farm.child import ChildFailed
from soundreel.farm.shares import Share, Shares
from soundreel.web.asked.asked import Asked
from soundreel.web.asked.limits import Limits
from soundreel.web.jobs.live import Live
from soundreel.web.jobs.runner import CANCELLED, Runner
from soundreel.web.jobs.store import Store, StoredJob
from soundreel.web.studio import views
from soundreel.web.studio.desk import Desk
from soundreel.web.studio.refusals import NoSuchJob, Refused
from soundreel.web.studio.shelf import Shelf
from soundreel.web.studio.uploads import Receiver, Upload
from soundreel.web.studio.webhooks import Webhooks
from soundreel.work.lock import Lock

_SWEEP_S = 3600.0
_MAX_KEY = 255
log = logging.getLogger("soundreel.web")


class Studio:
    """Jobs of one server. Thread-safe. Its folder lies beside that of unfinished jobs: the store,
    uploads, and a folder for each video. Methods raise Refused for what they do not do."""

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        """Raises WorkError where another server has the folder, or it cannot be used."""
        self.limits = limits or Limits()
        work_dir = settings.work_dir.absolute()
        self.folder = work_dir.with_name(f"{work_dir.name}-server")
        self._lock = _taken(self.folder)
        self.desk = Desk(self.folder, settings, self.limits)
        self.uploads = self.desk.uploads
        self.shelf = Shelf(self.folder, settings.work_dir, self.limits)
        self.store, self.live = Store(self.folder / "jobs.sqlite3"), Live()
        previews = self.limits.preview_jobs or max(1, core_count() // 2)
        shares = Shares.of(settings, cards=self.limits.gpus, previews=previews)
        self._runner = Runner(self.store, shares, self.live, self._describe, self._ended)
        secret = self.limits.webhook_secret
        self._webhooks = Webhooks(
            self.limits.webhook_hosts, None if secret is None else secret.get_secret_value()
        )
        self._stopped = threading.Event()

    def start(self) -> None:
        """Take up what waits."""
        self._runner.start()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def stop(self) -> None:
        """Running jobs stay in progress: the next start goes on with them."""
        self._stopped.set()
        self._runner.stop()
        self._webhooks.close()
        self.desk.close()
        self.store.close()
        self._lock.release()

    def submit(
        self, body: Mapping[str, Any], *, from_form: bool = False, idempotency: str | None = None
    ) -> StoredJob:
        """A new job, planned and queued; or the one that came with the same key."""
        return self._accept(self.desk.read(body, from_form=from_form), None, idempotency)

    def remix(
        self, key: str, body: Mapping[str, Any], *, idempotency: str | None = None
    ) -> StoredJob:
        """The same with other words; with `shot` or `chunk`, that part of the finished video again
        and the rest as it is."""
        job = self.job(key)
        if body.get("shot") is None and body.get("chunk") is None:
            changed = {**views.said_again(job), "name": job.asked["name"], **body}
            return self._accept(self.desk.read(changed), {"from": key}, idempotency)
        if job.status != "completed":
            raise Refused(409, "not_completed", "only a finished video has parts to make again")
        return self._accept(Asked.of(job.asked), self.desk.part(key, body), idempotency)

    def plan(self, body: Mapping[str, Any], *, from_form: bool = False) -> dict[str, Any]:
        """What a job would be and cost."""
        plan = self.desk.plan(self.desk.read(body, from_form=from_form))
        return {"object": "plan", **views.short_plan(plan, self.desk.scrub.document)}

    def job(self, key: str) -> StoredJob:
        found = self.store.get(key)
        if found is None:
            raise NoSuchJob
        return found

    def video(self, job: StoredJob) -> dict[str, Any]:
        """As clients see it."""
        place = self.store.place(job) if job.status == "queued" else None
        return views.video(job, self.live, place, self.desk.scrub.document)

    def page(
        self, limit: int, after: str | None = None, *, oldest_first: bool = False
    ) -> tuple[list[StoredJob], bool]:
        """Jobs, and whether there are more."""
        start = None if after is None else self.job(after)
        found = self.store.page(limit + 1, start, oldest_first=oldest_first)
        return found[:limit], len(found) > limit

    def cancel(self, key: str) -> StoredJob:
        """Whatever it does; one that has ended stays as it is."""
        job = self.job(key)
        if (ended := self.store.cancel_queued(key, CANCELLED)) is not None:
            self._ended(ended)
            self.live.touch(key)
            return ended
        if not job.ended:
            self._runner.cancel(key)
        return self.job(key)

    def remove(self, key: str) -> None:
        """The job and its files; one that runs is cancelled, and its files go when it ends."""
        self.cancel(key)
        self.store.remove(key)
        self.shelf.remove(key)
        self.live.end(key)

    def upload(self, key: str) -> Upload:
        try:
            return self.uploads.get(key)
        except InputError as err:
            raise Refused(404, "not_found", err.message, err.hint) from err

    def peaks(self, key: str) -> Path:
        """A sound's waveform: a byte for each hundredth of a second, 0 to 100."""
        upload = self.upload(key)
        if upload.about.get("kind") != "sound":
            raise Refused(400, "invalid_input", "it is no sound", "a waveform needs one")
        return self.desk.draw_peaks(upload)

    def remove_upload(self, key: str) -> None:
        """Unless a job that waits or runs is made from it."""
        self.upload(key)
        if key in self._needed():
            raise Refused(409, "in_use", "a video that is not done is made from it", "wait for it")
        self.uploads.remove(key)

    def keep(self, receiver: Receiver) -> Upload:
        """A file that has come in whole."""
        self.shelf.require_room(receiver.size)
        return self.desk.keep(receiver)

    def file(self, key: str, variant: str = "video") -> Path:
        """The finished video; its "thumbnail" or "report", drawn when it is first asked for."""
        job = self.job(key)
        if job.status != "completed":
            raise Refused(409, "not_completed", f"the video is {job.status}", "wait for its end")
        path = self._place(job)
        if not path.exists():
            raise Refused(404, "not_found", "the file of this video is gone", "make it again")
        if variant == "report":
            return self.desk.draw_report(path)
        return path.with_suffix(".jpg") if variant == "thumbnail" else path

    def record(self, key: str) -> dict[str, Any]:
        """The record of a finished video, without what only this machine knows."""
        record = json.loads(self.file(key).with_suffix(".json").read_text(encoding="utf-8"))
        for name in ("files", "hands"):
            record.pop(name, None)
        shown: dict[str, Any] = self.desk.scrub.document(record)
        return shown

    def _accept(
        self, asked: Asked, again: Mapping[str, Any] | None, idempotency: str | None
    ) -> StoredJob:
        if idempotency is not None:
            if not 0 < len(idempotency) <= _MAX_KEY:
                raise Refused(400, "invalid_input", f"a key has 1 to {_MAX_KEY} characters")
            if (before := self.store.by_idempotency(idempotency)) is not None:
                return _same(before, asked, again)
        if asked.webhook_url is not None:
            self._webhooks.require(asked.webhook_url)
        self._require_room()
        plan = self.desk.plan(asked)
        job = self.store.add(
            f"video_{secrets.token_hex(12)}",
            plan["engine"],
            asked.document(),
            plan,
            again=again,
            idempotency=idempotency,
        )
        self.live.touch(job.id)
        self._runner.wake()
        return _same(job, asked, again)

    def _require_room(self) -> None:
        if self.store.counts().get("queued", 0) >= self.limits.queue:
            raise Refused(
                429, "queue_full", f"{self.limits.queue} videos wait already", "try again later"
            )
        self.shelf.require_room()

    def _describe(self, job: StoredJob, share: Share) -> Mapping[str, Any]:
        """The arguments of `work.make`. Raises ChildFailed where an upload is gone."""
        self.shelf.prepare(job.id)
        try:
            described = self.desk.arguments(Asked.of({**job.asked, "engine": job.engine}))
        except InputError as err:
            raise ChildFailed(error_json(err)) from err
        described["settings"] |= share.settings
        again = self._described_again(job)
        return {
            **described,
            "environ": dict(share.environ),
            "again": again,
            "output": str(self._place(job)),
        }

    def _described_again(self, job: StoredJob) -> dict[str, Any] | None:
        """Of a part: with a seed that stays, should the server stop while it is made."""
        if job.again is None or "changes" not in job.again:
            return None
        try:
            before = self.file(job.again["from"])
        except Refused as err:
            raise ChildFailed(err.document) from err
        changes = job.again["changes"] or {"seed": int(job.id[-7:], 16)}
        return {**job.again, "video": str(before), "changes": changes}

    def _ended(self, job: StoredJob) -> None:
        if job.status != "completed":
            self.shelf.forget_parts(job.id)
        if self.store.get(job.id) is None:  # it was removed while it ran
            self.shelf.remove(job.id)
        elif job.ended:
            self._webhooks.tell(job)

    def _sweep(self) -> None:
        while True:
            try:
                self.uploads.sweep(self.limits.upload_days, self._needed())
            except Exception:
                log.exception("old uploads could not be removed")
            if self._stopped.wait(_SWEEP_S):
                return

    def _needed(self) -> set[str]:
        """Uploads that jobs are made from which are not done."""
        waiting = self.store.with_status("queued", "in_progress")
        return {key for job in waiting for key in Asked.of(job.asked).uploads}

    def _place(self, job: StoredJob) -> Path:
        ending = job.asked["values"].get("encoding.container") or "mp4"
        return self.shelf.video(job.id, str(ending))


def _taken(folder: Path) -> Lock:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock(folder / "server.lock")
        held = lock.acquire()
    except OSError as err:
        raise WorkError(f"cannot use the folder {folder}: {err.strerror}") from err
    if not held:
        raise WorkError(
            f"another server works on {folder}", hint="stop it, or give another work_dir"
        )
    return lock


def _same(job: StoredJob, asked: Asked, again: Mapping[str, Any] | None) -> StoredJob:
    """The job, if it is what is asked for: one with the same key may be another."""
    if views.plain(asked.document()) != job.asked or views.plain(again) != job.again:
        raise Refused(
            409,
            "idempotency_key_reused",
            "another video was asked for with this Idempotency-Key",
            "take a new key for a new video",
        )
    return job
