"""Gives tasks to hands: who is free takes the next one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from soundreel.errors import EngineError, SoundreelError, mention
from soundreel.events import (
    ChunkStarted,
    Event,
    FrameDone,
    NodeProgress,
    Notice,
    RunControl,
    StepDone,
    StepPreview,
)
from soundreel.farm.hand import Hand, HandLost, Taking
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.sealing import Sealing
from soundreel.work.job import Fixed, Job

_LOOK_S = 0.1
"""So often it is asked whether the job was stopped."""


@dataclass(frozen=True, slots=True)
class _Done:
    """The task is made."""


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Back:
    """A hand that was lost can be given a task again."""


@dataclass(frozen=True, slots=True)
class _Gone:
    """It never can."""

    error: HandLost


_Word = Event | MadeChunk | _Done | _Failed | _Back | _Gone


@dataclass(slots=True)
class _Given:
    """What a hand has of its task still to make; pictures: told of the chunk that it is at."""

    task: Task | None
    pictures: int = 0


def spread(
    hands: Sequence[Hand], tasks: Iterable[Task], sealing: Sealing, control: RunControl
) -> None:
    """Let the hands make all tasks and seal what they give, in this thread. Raises what a hand
    raised; the other hands are stopped, and what they gave is sealed."""
    schedule = _Schedule(hands, tasks, sealing, control)
    try:
        schedule.run()
    except BaseException:
        schedule.end(lambda hand: hand.stop())
        schedule.keep()
        raise
    schedule.end(lambda hand: hand.finish())


def fixed_by_several(job: Job) -> Fixed:
    """As `Job.fixed`, asked from several threads. A question without an answer of its own fixes
    nothing."""
    lock = Lock()

    def fixed(name: str, make: Callable[[], Any]) -> Any:
        with lock:
            value = job.fact(name)
            if value is None and (made := make()) is not None:
                value = job.fix(name, made)
            return value

    return fixed


class _Schedule:
    def __init__(
        self, hands: Sequence[Hand], tasks: Iterable[Task], sealing: Sealing, control: RunControl
    ) -> None:
        self._sealing, self._control = sealing, control
        self._waiting = deque(tasks)
        self._idle = deque(range(len(hands)))
        self._given: dict[int, _Given] = {}
        self._losses: Counter[int] = Counter()
        self._said: SimpleQueue[tuple[int, _Word]] = SimpleQueue()
        self._desks = [_Desk(number, hand, self._said) for number, hand in enumerate(hands)]
        self._gone: set[int] = set()
        self._unsealed: deque[tuple[MadeChunk, str]] = deque()
        self._notices: set[str] = set()
        self._shown: int | None = None

    def run(self) -> None:
        """Whoever is free is given work before the disk is waited for."""
        while self._waiting or self._given or self._unsealed:
            self._control.raise_if_cancelled()
            while self._waiting and (number := self._taker()) is not None:
                task = self._waiting.popleft()
                self._given[number] = _Given(task)
                self._desks[number].tasks.put(task)
            try:
                number, word = self._said.get(timeout=0 if self._unsealed else _LOOK_S)
            except Empty:
                self._seal_or_mix()
                continue
            self._hear(number, word)

    def _taker(self) -> int | None:
        """The first of the idle hands that can take a task."""
        for number in self._idle:
            hand = self._desks[number].hand
            if not isinstance(hand, Taking) or hand.take():
                self._idle.remove(number)
                return number
        return None

    def _seal_or_mix(self) -> None:
        if self._unsealed:
            self._seal()
        else:
            self._sealing.mix()

    def _seal(self) -> None:
        self._sealing.seal(*self._unsealed[0])
        self._unsealed.popleft()

    def keep(self) -> None:
        """Seal what was given before the job was ended, as far as that can be."""
        with suppress(Empty):
            while True:
                number, word = self._said.get_nowait()
                if isinstance(word, MadeChunk):
                    self._unsealed.append((word, self._desks[number].hand.name))
        with suppress(SoundreelError):
            while self._unsealed:
                self._seal()

    def end(self, how: Callable[[Hand], None]) -> None:
        """Every hand's thread ends; so does what it holds."""
        for desk in self._desks:
            desk.tasks.put(None)
        enders = [Thread(target=how, args=(desk.hand,)) for desk in self._desks]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        for desk in self._desks:
            desk.join()

    def _hear(self, number: int, word: _Word) -> None:
        match word:
            case MadeChunk():
                self._made(number, word)
            case _Done():
                del self._given[number]
                self._idle.append(number)
            case _Failed(error):
                self._failed(number, error)
            case _Back():
                self._idle.append(number)
            case _Gone(error):
                self._is_gone(number, error)
            case Event():
                self._tell(number, word)

    def _made(self, number: int, made: MadeChunk) -> None:
        given = self._given[number]
        assert given.task is not None
        rest = range(made.chunk + 1, given.task.chunks.stop)
        self._given[number] = _Given(Task(rest, (made.session, made.post)) if rest else None)
        self._unsealed.append((made, self._desks[number].hand.name))

    def _failed(self, number: int, error: BaseException) -> None:
        """The rest of a lost hand's task is the next to be made."""
        given = self._given.pop(number)
        if not isinstance(error, HandLost):
            raise error
        self._sealing.lost(given.pictures)
        if given.task is not None:
            chunk = given.task.chunks.start
            self._losses[chunk] += error.tries > 0
            if 0 < error.tries <= self._losses[chunk]:
                raise error.error or _died(chunk, error)
            self._waiting.appendleft(given.task)

    def _is_gone(self, number: int, error: HandLost) -> None:
        self._gone.add(number)
        if len(self._gone) == len(self._desks) and self._waiting:
            hint = getattr(error.error, "hint", "")
            raise EngineError(f"nobody is left to make the pictures: {error}", hint) from error

    def _tell(self, number: int, event: Event) -> None:
        """What reads well when several say it at once; steps of the one that began last."""
        match event:
            case Notice(message):
                if message in self._notices:
                    return
                self._notices.add(message)
            case FrameDone():
                self._given[number].pictures += 1
            case ChunkStarted():
                self._shown = number
            case StepDone() | NodeProgress() | StepPreview():
                if self._shown != number:
                    return
            case _:
                if self._shown is not None or number:
                    return
        self._sealing.tell(event)


class _Desk(Thread):
    """The thread of a hand."""

    def __init__(self, number: int, hand: Hand, said: SimpleQueue[tuple[int, _Word]]) -> None:
        super().__init__(name=f"hand {number}", daemon=True)
        self.hand = hand
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._number, self._said = number, said
        self.start()

    def run(self) -> None:
        while (task := self.tasks.get()) is not None:
            outcome = self._outcome(task)
            self._say(outcome)
            if isinstance(outcome, _Failed) and isinstance(outcome.error, HandLost):
                self._say(_Back() if self.hand.is_back() else _Gone(outcome.error))

    def _outcome(self, task: Task) -> _Word:
        try:
            for made in self.hand.make(task, self._say):
                self._say(made)
            return _Done()
        except BaseException as err:  # raised where the job runs
            return _Failed(err)

    def _say(self, word: _Word) -> None:
        self._said.put((self._number, word))


def _died(chunk: int, error: HandLost) -> EngineError:
    return EngineError(
        f"part {chunk + 1} could not be made: {error}, {error.tries} times",
        hint=f"perhaps the memory is too small: try {mention(workers=1)}; finished parts are kept",
    )
