"""A job shared among other machines, each driven by a thread of this process: the work is theirs.
Pieces are encoded here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from threading import Lock

from soundreel.engines.base import Machine, Ready
from soundreel.errors import Cancelled, EngineAway, EngineError, InputError
from soundreel.events import Event, Notice, RunControl
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

    hands = [MachineHand(machine, opened) for machine in machines]
    spread(hands, list(sealing.tasks()), sealing, control)


class MachineHand:
    """Opens its machine for the first task. What it fails at another machine may do: so one that is
    away gives its task back and is asked again, and one that cannot is left out."""

    def __init__(self, machine: Machine, opened: Opened) -> None:
        self.name = machine.name
        self._machine, self._open = machine, opened
        self._found: Ready | EngineError = machine.ready
        self._left_out = False
        self._stack = ExitStack()
        self._maker: Maker | None = None
        self._tell: Callable[[Event], None] = _ignore
        self._control = RunControl(lambda event: self._tell(event))
        self._at_work = Lock()

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        """See `Hand`."""
        with self._at_work:
            self._tell, begun = tell, False
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

    def is_back(self) -> bool:
        """Asks it while it is away. What else is wrong with it is said with the next task."""
        end = time.monotonic() + AWAY_S
        with suppress(Cancelled):
            while not self._left_out and time.monotonic() < end:
                try:
                    self._found = self._machine.ask(self._control)
                    return True
                except EngineAway:
                    self._control.wait(ASK_S)
                except EngineError as err:
                    self._found = err
                    return True
        return False

    def finish(self) -> None:
        self.stop()

    def stop(self) -> None:
        self._control.cancel()
        with self._at_work:
            self._close(None)

    def _opened(self) -> Maker:
        if isinstance(self._found, EngineError):
            raise self._found
        self._maker = self._maker or self._open(self._found, self._control, self._stack)
        return self._maker

    def _close(self, error: BaseException | None) -> None:
        """error: why; what is left on the machine is then taken off when it is opened again."""
        stack, self._stack, self._maker = self._stack, ExitStack(), None
        stack.__exit__(type(error) if error else None, error, None)

    def _lost(self, error: EngineError | InputError, *, begun: bool) -> HandLost:
        away = isinstance(error, EngineAway)
        self._left_out = not away
        words = error.message if self.name in error.message else f"{self.name}: {error.message}"
        then = "its work goes to the others until it answers" if away else "left out of this job"
        self._tell(Notice(f"{words}; {then}"))
        tries = (MOST_AWAY if away else MOST_FAILED) if begun else 0
        return HandLost(words, tries=tries, error=error)


def _ignore(_: Event) -> None:
    return None
