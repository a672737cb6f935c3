"""`python -m soundreel.farm.worker`: a process that makes units of one job, until the job ends."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see cli/start.py; before numpy is loaded

from soundreel.engines.base import Deciding, Ready
from soundreel.errors import WorkError
from soundreel.events import RunControl
from soundreel.farm.messages import Answer, Asked, Done, Failed, Work, receive, send
from soundreel.registry import choose
from soundreel.render.maker import Maker, Place, Task


def main() -> None:
    """Words come by standard input and go by standard output; what else is printed is an error's.
    When the job's process ends, however it ends, so does this one, at once."""
    given, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = receive(given)
    inbox: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(given, inbox), daemon=True).start()
    lock = Lock()

    def say(word: object) -> None:
        with lock:
            send(word, told)

    UnitWorker(work, inbox, say).run()
    told.flush()
    os._exit(0)  # an interpreter that ends would wait for the thread that listens


def _listen(given: IO[bytes], inbox: SimpleQueue[Any]) -> None:
    try:
        while True:
            inbox.put(receive(given))
    except BaseException:
        os._exit(1)


class UnitWorker:
    """Makes the tasks that come into `inbox`, until None comes. say: takes what it has to say, from
    any thread."""

    def __init__(self, work: Work, inbox: SimpleQueue[Any], say: Callable[[object], None]) -> None:
        self._work, self._inbox, self._say = work, inbox, say
        self._control = RunControl(say)

    def run(self) -> None:
        """The engine is opened once."""
        work, control = self._work, self._control
        place = Place(work.folder, self._fixed, work.paces, work.ending)
        try:
            ready = _found(work)
            with ready.open(work.plan.for_engine, control) as session:
                maker = Maker(work.plan, session, control, place, work.new)
                while (task := self._inbox.get()) is not None:
                    self._make(maker, task)
        except BaseException as err:
            self._say(Failed(_portable(err)))

    def _make(self, maker: Maker, task: Task) -> None:
        for made in maker.make(task):
            self._say(made)
        self._say(Done())

    def _fixed(self, name: str, make: Callable[[], Any]) -> Any:
        value = self._ask(Asked(name))
        return self._ask(Asked(name, make())) if value is None else value

    def _ask(self, question: Asked) -> Any:
        self._say(question)
        answer = self._inbox.get()
        assert isinstance(answer, Answer)
        return answer.value


def _found(work: Work) -> Ready:
    """What makes the pictures, which must be what the job began with."""
    ready = choose(work.plan.request, work.settings, RunControl()).ready
    if isinstance(ready, Deciding) and work.decisions:
        ready = ready.decided(work.decisions)
    if dict(ready.identity) != dict(work.identity):
        raise WorkError(
            "a process of this job found other weights or packages than the job began with",
            hint="run the same command again",
        )
    return ready


def _portable(error: BaseException) -> BaseException:
    """The error with the place where it was raised, which does not travel with it."""
    place = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # another package's, with arguments of its own
        return RuntimeError(place)
    error.add_note(place)
    return error


if __name__ == "__main__":
    main()
