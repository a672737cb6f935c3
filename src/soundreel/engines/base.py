"""The protocol that every engine follows, and how its options are read.

An engine is made with the machine's Settings (`Engine(settings)`), costs nothing until it is
asked, and keeps its heavy imports inside the methods that need them. A job asks it once:
`engine.find(request)` gives a Ready, `ready.open(plan, control)` a Session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from soundreel.errors import EngineError, InputError, mention
from soundreel.events import RunControl
from soundreel.types import Check, Chunk, ChunkGeometry, Estimate, Frame, Plan, Request, Shot

if TYPE_CHECKING:  # `soundreel --help` needs no arrays
    from soundreel.post.steady import Steady

OptionsModel = TypeVar("OptionsModel", bound=BaseModel)


class Session(Protocol):
    """An opened engine: renders the chunks of one plan in order."""

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """Yield the chunk's pictures in order: `num_frames` kept ones, then `lookahead_frames`.

        Prompt and seed are the chunk's; negative prompt, image and options are its shot's
        (`plan.shot(chunk)`). The first chunk of a shot resets the state. Calls
        `control.raise_if_cancelled()` at every sampling step and every frame. With
        `plan.interpolation.by_engine` the pictures are the interpolated ones, in the order that
        `post.interpolate` gives: the pictures between the last chunk's end and this chunk's first
        picture come first.
        """
        ...

    def snapshot(self) -> bytes:
        """What the next chunk needs, after `render` is exhausted (motion frames, as floats)."""
        ...

    def restore(self, state: bytes) -> None:
        """Take up a snapshot: the next chunk renders as if this session had made all before it."""
        ...


class Ready(Protocol):
    """What an engine found for one request: the weights, the server. It travels on to the end of
    the job, so that nothing is looked for twice and the record names what makes the pictures."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What else decides the pictures (weights, model names, versions), for the digest and the
        sidecar. No times, absolute paths or addresses."""
        ...

    def estimate(self, plan: Plan) -> Estimate:
        """What the plan will cost with what was found."""
        ...

    def open(self, plan: Plan, control: RunControl) -> AbstractContextManager[Session]:
        """Load what the plan needs; the context manager frees it."""
        ...


@runtime_checkable
class Deciding(Protocol):
    """A Ready with decisions that change the pictures and are best made when a job starts: by what
    is free, or by how long the job is. A later run of the job keeps to them."""

    def decide(self, plan: Plan, control: RunControl) -> Mapping[str, str]:
        """Asked when a job starts. Says to the user what is worth saying."""
        ...

    def decided(self, decisions: Mapping[str, str]) -> Ready:
        """One that keeps to them, and has them in its identity."""
        ...


@runtime_checkable
class Lacking(Protocol):
    """A Ready that may not do all that its engine can."""

    @property
    def lacks(self) -> Mapping[str, str]:
        """Those of the engine's `interpolations` that are not to be had, each with the reason."""
        ...


@runtime_checkable
class Steadying(Protocol):
    """A session that keeps its takes steady itself, since later pictures follow from earlier ones.
    For the others it is done to what they give."""

    @property
    def steady(self) -> Steady | None:
        """What does it; None where the request wants none."""
        ...


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of this machine that may share the work. environment: added to that of the program;
    name: as the sidecar says who made what, "" where the pictures are the same whoever makes them.
    """

    name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Spreading(Protocol):
    """A Ready whose units several processes can make at once."""

    @property
    def cards_each(self) -> int:
        """GPUs that each of them takes for itself."""
        ...

    def workers(self, plan: Plan, wanted: int | None) -> Sequence[Worker]:
        """The processes: so many as are wanted and can be, or, where nobody said, as many as make
        this plan sooner done. With fewer than two all is made in the one that asks."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """Another machine, a server, that makes units of a plan. name: as the sidecar says who made
    what. ready: what was found there, or why it cannot be used: an EngineAway may pass. ask: the
    same, asked anew; raises EngineError."""

    name: str
    ready: Ready | EngineError
    ask: Callable[[RunControl], Ready]


@runtime_checkable
class Distributed(Protocol):
    """A Ready of several machines, which make units at once. Their sessions give a chunk's pictures
    when the machine is done with all of them: it then works for another session."""

    @property
    def machines(self) -> Sequence[Machine]:
        """All that were named, first come first. With fewer than two the Ready itself is opened."""
        ...


class Engine(Protocol):
    """A way to make pictures from sound."""

    name: str
    interpolations: frozenset[str]
    """Interpolation methods that the engine performs itself."""

    @property
    def Options(self) -> type[BaseModel]:  # noqa: N802  (a class, read from the engine's class)
        """The model of its options: their parser, and their help on the command line. A set of
        names in its class attribute PER_SHOT says which of them a single shot may set."""
        ...

    def geometry(self, request: Request) -> ChunkGeometry:
        """How this request is cut into chunks. Pure: no weights, no server."""
        ...

    def find(self, request: Request) -> Ready:
        """Find all that this request needs, within about a second. Asked once a job.

        Raises EngineUnavailable (something is missing) or InputError (an option is wrong).
        """
        ...

    def estimate(self, plan: Plan) -> Estimate:
        """What the plan would cost: asks no server, and what is missing here is no error."""
        ...

    def diagnose(self) -> Sequence[Check]:
        """What `soundreel doctor` shows for this engine."""
        ...


class Declaring(Protocol):
    """An engine that says where its pictures come from. Without this the file says that a trained
    model made them."""

    def source_type(self, request: Request) -> str:
        """IPTC's digital source type: a term that `media.marks` has."""
        ...


class Recalling(Protocol):
    """An options model whose presets or defaults may change from version to version."""

    @classmethod
    def recall(
        cls, options: Mapping[str, object], engine: Mapping[str, object], given: Collection[str]
    ) -> Mapping[str, object]:
        """The options of a record such that they ask today for what they asked for then.

        engine: the record's `engine`, what `identity` gave. given: options that the user sets anew.
        Raises InputError.
        """
        ...


def lacking(ready: Ready) -> Mapping[str, str]:
    """See `Lacking`; nothing of most engines."""
    return ready.lacks if isinstance(ready, Lacking) else {}


def parse_options(model: type[OptionsModel], options: Mapping[str, object]) -> OptionsModel:
    """A request's options as the engine's model types them; None counts as not given.

    Raises InputError naming the first wrong one.
    """
    try:
        return model.model_validate({k: v for k, v in options.items() if v is not None})
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "options"
        known = mention(*model.model_fields)
        raise InputError.about(
            {f"options.{name}": first["input"]},
            _sentence(first["msg"]),
            hint=f"options of this engine: {known}",
        ) from err


def shot_options(
    model: type[OptionsModel], plan: Plan, shot: Shot, options: OptionsModel
) -> OptionsModel:
    """The options that hold for a shot; `options` are those of the whole request."""
    if not shot.options:
        return options
    return parse_options(model, {**plan.request.options, **shot.options})


def _sentence(message: str) -> str:
    """Pydantic's words, as ours: "Input should be less than 5" -> "should be less than 5"."""
    return message.removeprefix("Value error, ").removeprefix("Input ")
