"""Makes the videos of a list, as many at once as there are hands, each in a process of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Self

from soundreel.cli.commands.many.outcomes import Outcome
from soundreel.cli.commands.many.requests import Job
from soundreel.config import Settings
from soundreel.documents.events import event_of
from soundreel.documents.failures import error_json
from soundreel.errors import SoundreelError
from soundreel.events import Event, Notice, RunControl
from soundreel.farm.child import Child, ChildFailed
from soundreel.farm.shares import Share, Shares, Want, kind_of
from soundreel.progress.several import Screen
from soundreel.record import asked
from soundreel.registry import AUTO_ORDER

_WORK = "soundreel.cli.commands.many.work"
_LOOK_S = 0.1
"""So often it is asked whether all was stopped."""


@dataclass(slots=True)
class _Waiting:
    """kind: of the job's hands, None is not known yet; most: how many of them are of use, None is
    not known. tried: hands that could not make it."""

    job: Job
    kind: str | None = None
    most: int | None = None
    tried: frozenset[str] = frozenset()

    @staticmethod
    def of(job: Job) -> _Waiting:
        waiting = _Waiting(job)
        if job.request.engine != "auto":
            waiting.know(job.request.engine, None)
        return waiting

    def know(self, engine: str, most: int | None) -> None:
        self.kind, self.most = kind_of(engine, self.job.request.interpolate), most


@dataclass(frozen=True, slots=True)
class _Ended:
    """With what `work.make` gave, or an error."""

    one: _Waiting
    share: Share
    made: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """found: see `work.look`, by the job's number; not of those that cannot be looked at."""

    all: Sequence[_Waiting]
    found: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Said:
    job: Job
    event: Event


class Crew:
    """A context manager: whatever happens, no process outlives it."""

    def __init__(self, jobs: Sequence[Job], settings: Settings, how: Mapping[str, Any]) -> None:
        """how: more arguments of `api.generate`."""
        self._waiting, self._how = [_Waiting.of(job) for job in jobs], how
        self._settings, self._shares = settings, Shares.of(settings)
        self._words: SimpleQueue[_Said | _Ended | _Looked] = SimpleQueue()
        self._lock, self._stopped, self._looking = threading.Lock(), False, False
        self._children: set[Child] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What still runs is told to stop, and ended where that is interrupted, too."""
        try:
            with self._lock:
                self._stopped = True
                for child in self._children:
                    child.cancel()
            self._join()
        finally:
            with self._lock:
                for child in self._children:
                    child.kill()
            self._join()

    @property
    def at_once(self) -> int:
        """How many jobs may run side by side, at most."""
        kinds = Counter(one.kind for one in self._waiting)
        unknown = kinds.pop(None, 0)
        known = sum(min(jobs, self._shares.count(str(kind))) for kind, jobs in kinds.items())
        return known + min(unknown, max(map(self._shares.count, AUTO_ORDER)))

    def outcomes(
        self, control: RunControl, screen: Screen, tell: Callable[[Job, Event], None]
    ) -> Iterator[Outcome]:
        """Each job's, as soon as it ends. Raises Cancelled."""
        word: _Said | _Ended | _Looked | None = None
        running = 0
        while running or self._waiting:
            control.raise_if_cancelled()
            if not isinstance(word, _Said):  # a picture more changes nothing
                for one, share in self._dealt():
                    running += 1
                    self._start(one, share, screen, tell)
            try:
                word = self._words.get(timeout=_LOOK_S)
            except Empty:
                word = None
            match word:
                case _Said(job, event):
                    tell(job, event)
                case _Looked():
                    self._know(word)
                case _Ended(one, share, made, error):
                    running -= 1
                    again = self._passed_on(word, tell)
                    screen.end(one.job.number)
                    self._shares.give(share)
                    if not again:
                        job = one.job
                        yield Outcome(job.number, job.entry, job.name, made=made, error=error)

    def _dealt(self) -> list[tuple[_Waiting, Share]]:
        """Those that begin now. Where there are fewer jobs than free hands it is looked first how
        many are of use to each."""
        unknown = [one for one in self._waiting if one.kind is None]
        look, begin = list(unknown), list[tuple[_Waiting, Share]]()
        for kind in {one.kind: None for one in self._waiting if one.kind is not None}:
            queue = [one for one in self._waiting if one.kind == kind]
            few = len(queue) + len(unknown) < self._shares.free(kind)
            if few and (unknown or any(one.most is None for one in queue)):
                look += [one for one in queue if one.most is None]
                continue
            wants = [Want(kind, (few and one.most) or 1, one.tried) for one in queue]
            shares = self._shares.deal(wants)
            begin += [(one, share) for one, share in zip(queue, shares, strict=True) if share]
        if look and not self._looking:
            self._looking = True
            self._thread(self._look, look)
        return begin

    def _know(self, looked: _Looked) -> None:
        self._looking = False
        for one in looked.all:
            found = looked.found.get(one.job.number)
            if found is None:  # it says why when it is made
                one.know(one.job.request.engine, 1)
            else:
                one.know(found["engine"], found["hands"])

    def _start(
        self, one: _Waiting, share: Share, screen: Screen, tell: Callable[[Job, Event], None]
    ) -> None:
        self._waiting.remove(one)
        screen.begin(one.job.number, one.job.name)
        for event in () if one.tried else one.job.said:
            tell(one.job, event)
        self._thread(self._make, one, share)

    def _passed_on(self, ended: _Ended, tell: Callable[[Job, Event], None]) -> bool:
        """Whether another server is to make what this one cannot."""
        one, share, error = ended.one, ended.share, ended.error
        if error is None or not self._shares.may_pass_on(share, error["type"], one.tried):
            return False
        tell(one.job, Notice(f"{error['message']}; another server is asked"))
        one.tried |= {*share.hands}
        self._waiting.insert(0, one)
        return True

    def _thread(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _look(self, all_of_them: Sequence[_Waiting]) -> None:
        found = dict[int, Mapping[str, Any]]()
        with suppress(Exception), self._child() as child:
            for one in all_of_them:
                with suppress(ChildFailed):
                    found[one.job.number] = child.call("look", self._arguments(one.job, {}))
        self._words.put(_Looked(all_of_them, found))

    def _make(self, one: _Waiting, share: Share) -> None:
        def hear(message: Mapping[str, Any]) -> None:
            self._words.put(_Said(one.job, event_of(message)))

        arguments = self._arguments(one.job, share.settings)
        arguments |= {"environ": dict(share.environ), "hands": share.kind, "how": self._how}
        try:
            with self._child() as child:
                ended = _Ended(one, share, made=child.call("make", arguments, hear))
        except ChildFailed as err:
            ended = _Ended(one, share, error=err.document)
        except BaseException as err:  # nobody else would hear of it, and wait for ever
            fault = SoundreelError(f"unexpected {type(err).__name__}: {err}")
            ended = _Ended(one, share, error=error_json(fault))
        self._words.put(ended)

    def _arguments(self, job: Job, settings: Mapping[str, object]) -> dict[str, Any]:
        noted = asked(job.request, self._settings.output_dir.absolute(), 0)
        return {"asked": noted, "settings": {**self._settings.document(), **settings}}

    @contextmanager
    def _child(self) -> Iterator[Child]:
        """Raises ChildFailed where all is stopped."""
        with Child(_WORK) as child:
            with self._lock:
                if self._stopped:
                    raise ChildFailed({"type": "Cancelled", "message": "it was stopped"})
                self._children.add(child)
            try:
                yield child
            finally:
                with self._lock:
                    self._children.discard(child)
