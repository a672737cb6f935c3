"""The error tree. Every failure a user can meet is one of these.

SoundreelError(message, hint)
├ InputError            file, prompt or option: the user can fix it     exit 2
├ EngineError                                                           exit 3
│ ├ EngineUnavailable   no weights, server, node or GPU
│ │ └ EngineAway        out of reach now, perhaps not for long
│ ├ OutOfMemory         hint: smaller size, offload
│ └ RemoteError         the server's own words, node id, prompt id
└ WorkError             checkpoint of another plan, disk full           exit 4
Cancelled               not a failure; the job can be resumed           exit 130

Messages hold file names and servers' words, so they are made fit to print when they are made.
Words that name an option spell it for Python, in backticks: `width=832` (see `mention`). The
command line makes its own flags of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Self

from soundreel.safe.text import shown

_LONGEST_VALUE = 80
"""Characters of a value that a message repeats."""


def mention(*names: str, **values: object) -> str:
    """Options as words name them: "`fps=`", "`width=832, height=1216`"."""
    named = [f"{name}=" for name in names]
    named += [f"{name}={_written(value)}" for name, value in values.items()]
    return f"`{', '.join(named)}`"


def _written(value: object) -> str:
    """A value on one line, shortened, without a backtick, which would end the mention."""
    match value:
        case str() | Path():
            return repr(_short(str(value).replace("`", "'")))
        case None | bool() | int() | float() | Fraction():
            try:
                return str(value)
            except ValueError:  # a whole number of more than 4300 digits
                return "..."
        case list() | tuple() if all(isinstance(item, (str, Path)) for item in value):
            return f"[{', '.join(map(_written, value))}]"
        case _:
            return type(value).__name__


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


class SoundreelError(Exception):
    """What went wrong (`message`), and what to do next (`hint`, may be empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = shown(message)
        self.hint = shown(hint)
        super().__init__(self.message)


class InputError(SoundreelError):
    """A file, a prompt or an option that the user can fix.

    fields: what does not fit, by its path from the request (`encoding.crf`, `options.steps`) or the
    name of the setting; rule: what it must be. Both empty where it is not about values.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        fields: Mapping[str, object] | None = None,
        rule: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.fields = dict(fields or {})
        self.rule = rule

    @classmethod
    def about(cls, fields: Mapping[str, object], rule: str, hint: str = "") -> Self:
        """The values of `fields` do not follow `rule`."""
        named = {path.rpartition(".")[2]: value for path, value in fields.items()}
        return cls(f"{mention(**named)}: {rule}", hint, fields=fields, rule=rule)


class EngineError(SoundreelError):
    """The engine could not make the frames."""

    exit_code = 3


class EngineUnavailable(EngineError):
    """Weights, a server, a node or a GPU are missing."""


class EngineAway(EngineUnavailable):
    """A server does not answer now, as it should, and may do so later."""


class OutOfMemory(EngineError):
    """The device ran out of memory at the lowest offload level."""


class RemoteError(EngineError):
    """A server refused or failed; `message` holds its own words."""

    def __init__(
        self, message: str, hint: str = "", *, node_id: str = "", prompt_id: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.node_id = node_id
        self.prompt_id = prompt_id


class WorkError(SoundreelError):
    """The work folder or the output cannot be used: full disk, another plan, a held lock."""

    exit_code = 4


class Cancelled(Exception):
    """The user stopped the job; the sealed chunks are kept."""

    exit_code = 130
