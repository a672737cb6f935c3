"""The error tree. Every failure a user can meet is one of these.

SoundreelError(message, hint)
├ InputError            file, prompt or option: the user can fix it     exit 2
├ EngineError                                                           exit 3
│ ├ EngineUnavailable   no weights, server, node or GPU
│ ├ OutOfMemory         hint: smaller size, offload
│ └ RemoteError         the server's own words, node id, prompt id
└ WorkError             checkpoint of another plan, disk full           exit 4
Cancelled               not a failure; the job can be resumed           exit 130

Messages hold file names and servers' words, so they are made fit to print when they are made.
"""

from soundreel.safe.text import shown


class SoundreelError(Exception):
    """What went wrong (`message`), and what to do next (`hint`, may be empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = shown(message)
        self.hint = shown(hint)
        super().__init__(self.message)


class InputError(SoundreelError):
    """A file, a prompt or an option that the user can fix."""

    exit_code = 2


class EngineError(SoundreelError):
    """The engine could not make the frames."""

    exit_code = 3


class EngineUnavailable(EngineError):
    """Weights, a server, a node or a GPU are missing."""


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
