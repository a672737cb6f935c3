"""A job shared among other machines, each driven by threads of this process, in turns: while one
encodes the pictures of its part here, the machine works for the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from threading import Lock

from soundreel.engines.base import Machine, Ready
from soundreel.errors import Cancelled, EngineAway, EngineError, InputError
from soundreel.events import ChunkStarted, Event, FrameDone, Notice, RunControl
from soundreel.farm.hand import HandLost
from soundreel.farm.schedule import fixed_by_several, spread
from soundreel.render.maker import MadeChunk, Maker, Place, Task
from soundreel.render.sealing import Sealing
from soundreel.types import Plan
from soundreel.work.job import Job

ASK_S = 5.0
"""So often a machine that is away is asked again, ..."""
AWAY_S = 3600.0
"""... and for so long: it may be started anew, by hand."""
MOST_AWAY = 4
"""A chunk over which machines went away so often most likely kills them."""
MOST_FAILED = 2
"""So many machines failed at a chunk: the next one would, too."""
TURNS = 2
"""Hands that a machine works for: it waits for none of them."""

Opened = Callable[[Ready, RunControl, ExitStack], Maker]
"""Opens what was found, into the stack."""


def make_by_machines(
    machines: Sequence[Machine],
    plan: Plan,
    ready: Ready,  # noqa: ARG001  (each machine has its own)
    job: Job,
    sealing: Sealing,
    control: RunControl,
) -> None:
    """As `render.run.make_here`."""
    place = Place(job.folder, fixed_by_several(job), job.folder.parent)

    def opened(found: Ready, control: RunControl, stack: ExitStack) -> Maker:
        session = stack.enter_context(found.open(plan.for_engine, control))
        return Maker(plan, session, control, place, sealing.new)

    shared = [_Shared(machine) for machine in machines]
    hands = [MachineHand(machine, opened) for _ in range(TURNS) for machine in shared]
    spread(hands, list(sealing.tasks()), sealing, control)


class _Shared:
    """A machine that works for one hand at a time. found: what makes its pictures, or why it
    cannot; left_out: for good."""

    def __init__(self, machine: Machine) -> None:
        self.name, self.ask = machine.name, machine.ask
        self.found: Ready | EngineError | InputError = machine.ready
        self.left_out = False
        self._user: MachineHand | None = None
        self._lock = Lock()

    def take(self, hand: MachineHand) -> bool:
        """Whether it now works for this one."""
        with self._lock:
            if self._user is None:
                self._user = hand
            return self._user is hand

    def leave(self, hand: MachineHand) -> None:
        with self._lock:
            if self._user is hand:
                self._user = None


class MachineHand:
    """Opens its machine for the first task. What it fails at another machine may do: so one that is
    away gives its task back and is asked again, and one that cannot is left out."""

    def __init__(self, machine: _Shared, opened: Opened) -> None:
        self.name = machine.name
        self._machine, self._open = machine, opened
        self._found: Ready | None = None
        self._stack = ExitStack()
        self._maker: Maker | None = None
        self._tell: Callable[[Event], None] = _ignore
        self._control = RunControl(self._hear)
        self._chunk, self._last = -1, -1
        self._at_work = Lock()

    def take(self) -> bool:
        """See `Taking`. Of a machine that is left out each hand hears with a task of its own."""
        return self._machine.left_out or self._machine.take(self)

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        """See `Hand`."""
        with self._at_work:
            self._tell, self._last, begun = tell, task.chunks[-1], False
            try:
                maker = self._opened()
                begun = True
                yield from maker.make(task)
            except Cancelled as err:
                self._close(err)
                raise HandLost("it was stopped") from err
            except (EngineError, InputError) as err:
                self._close(err)
                raise self._lost(err, begun=begun) from err
            self._machine.leave(self)

    def is_back(self) -> bool:
        """Asks it while it is away; the other hand waits. What else is wrong with it is said with
        the next task."""
        machine, end = self._machine, time.monotonic() + AWAY_S
        try:
            while not machine.left_out and time.monotonic() < end:
                try:
                    machine.found = machine.ask(self._control)
                    return True
                except EngineAway:
                    self._control.wait(ASK_S)
                except EngineError as err:
                    machine.found = err
                    return True
        except Cancelled:
            pass
        finally:
            machine.leave(self)
        machine.left_out = True
        return False

    def finish(self) -> None:
        self.stop()

    def stop(self) -> None:
        self._control.cancel()
        with self._at_work:
            self._close(None)

    def _hear(self, event: Event) -> None:
        """All pictures of a chunk come at once: with the first of a task's last chunk the machine
        is free."""
        match event:
            case ChunkStarted(index):
                self._chunk = index
            case FrameDone() if self._chunk == self._last:
                self._machine.leave(self)
        self._tell(event)

    def _opened(self) -> Maker:
        found = self._machine.found
        if found is not self._found:
            self._close(None)
        if isinstance(found, EngineError | InputError):
            raise found
        self._found = found
        self._maker = self._maker or self._open(found, self._control, self._stack)
        return self._maker

    def _close(self, error: BaseException | None) -> None:
        """error: why; what is left on the machine is then taken off when it is opened again."""
        stack, self._stack, self._maker = self._stack, ExitStack(), None
        stack.__exit__(type(error) if error else None, error, None)

    def _lost(self, error: EngineError | InputError, *, begun: bool) -> HandLost:
        machine, away = self._machine, isinstance(error, EngineAway)
        machine.found = error
        machine.left_out |= not away
        words = error.message if self.name in error.message else f"{self.name}: {error.message}"
        then = "its work goes to the others until it answers" if away else "left out of this job"
        self._tell(Notice(f"{words}; {then}"))
        tries = (MOST_AWAY if away else MOST_FAILED) if begun else 0
        return HandLost(words, tries=tries, error=error)


def _ignore(_: Event) -> None:
    return None
