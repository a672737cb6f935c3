"""A server's own words, turned into the error tree. Node ids, types and inputs are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from soundreel.engines.comfyui.client.wire.answers import ErrorDetail, NodeErrors, PromptAnswer
from soundreel.errors import EngineAway, EngineError, OutOfMemory, RemoteError, mention

RESUME_HINT = "finished parts are kept: give the same command again to go on"
NO_ANSWER_SECONDS = 3600.0
"""How long a server may be away altogether: its machine may be started anew, by hand."""
GATEWAY_SECONDS = 600.0
"""A gateway, or a server that says that it is busy: what runs behind it may start."""
OTHER_SECONDS = 60.0
"""An answer that a server in order does not give, but one that breaks down for a moment does."""
_OUT_OF_MEMORY = re.compile(r"out ?of ?memory|allocation on device|CUDA error: out", re.IGNORECASE)
_NODE_ID = re.compile(r"#([^'\s]+)")
_NODE_HINT = "update ComfyUI or install the node pack, then run: soundreel doctor"
_HINTS = {
    "value_not_in_list": "see what the server has with: soundreel doctor",
    "custom_validation_failed": "the file is not on the server any more: start again",
    "invalid_prompt": _NODE_HINT,
    "missing_node_type": _NODE_HINT,
}
_FAILURES = (
    (
        re.compile(r"no space left|errno 28|disk quota", re.IGNORECASE),
        f"its disk is full: make room there; {RESUME_HINT}",
    ),
    (
        re.compile(r"size mismatch|missing key|unexpected key", re.IGNORECASE),
        "a model file is not the one that this node needs: see "
        + mention("model", "text_encoder", "vae", "audio_encoder", "lora"),
    ),
)
_MOST_LINES, _MOST_LETTERS = 4, 400


class ServerAway(EngineAway):
    """The server does not answer now, or answers what may pass: a gateway's error, a busy "no".

    patience_s: how long it may stay so. pause_s: how long it asks us to wait. status: of the
    answer, 0 if there was none.
    then: what to raise when the patience is at its end; None is made of this message.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        patience_s: float,
        pause_s: float = 0.0,
        status: int = 0,
        then: EngineError | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.patience_s = patience_s
        self.pause_s = pause_s
        self.status = status
        self.then = then

    @property
    def is_long(self) -> bool:
        """No word from the server itself, so that waiting is worth more than a try or two."""
        return self.patience_s >= GATEWAY_SECONDS


class NotComfyUI(ServerAway):
    """Something answers there, but not as ComfyUI does."""


class ResultGone(RemoteError):
    """A file that a finished prompt reported is not on the server any more."""


class InputsGone(RemoteError):
    """The prompt names files in the temp folder that are not there: the server was started anew."""


class PicturesLost(RemoteError):
    """The prompt ended well, but not all pictures that it sent on the socket came here."""


def refused_prompt(answer: PromptAnswer, status: int) -> RemoteError:
    """What POST /prompt answered with a status that is not 200, or with node errors in a 200."""
    nodes, prompt_id = answer.node_errors, answer.prompt_id
    if nodes:
        errors = [error for entry in nodes.values() for error in entry.errors]
        kinds = [error.type for error in errors]
        return (InputsGone if all(map(_names_temporary_file, errors)) else RemoteError)(
            f"the server refused the graph: {'; '.join(_node_error_lines(nodes))}",
            hint=_hint(kinds),
            node_id=next(iter(nodes)),
            prompt_id=prompt_id,
        )
    error = answer.error or ErrorDetail(message="no reason given")
    match = _NODE_ID.search(error.details)
    return RemoteError(
        f"the server refused the graph ({status}): {_join(error.message, error.details)}",
        hint=_hint([error.type]),
        node_id=str(error.extra_info.get("node_id") or (match.group(1) if match else "")),
        prompt_id=prompt_id,
    )


def _names_temporary_file(error: ErrorDetail) -> bool:
    return error.type == "custom_validation_failed" and "[temp]" in error.details


def failed_prompt(events: Mapping[str, Mapping[str, object]], prompt_id: str) -> EngineError:
    """Why a prompt ended without success, from what its history entry notes of the run."""
    if "execution_error" in events:
        return _execution_error(events["execution_error"], prompt_id)
    if "execution_interrupted" in events:
        node = events["execution_interrupted"]
        return RemoteError(
            f"the job was interrupted on the server at node {_name(node)}",
            hint=RESUME_HINT,
            node_id=str(node.get("node_id", "")),
            prompt_id=prompt_id,
        )
    return RemoteError(
        f"the server ended prompt {prompt_id} without success and without a reason",
        hint="look into the server's log",
        prompt_id=prompt_id,
    )


def _execution_error(data: Mapping[str, object], prompt_id: str) -> EngineError:
    kind = str(data.get("exception_type", ""))
    words = str(data.get("exception_message", "")).strip()
    message = f"node {_name(data)} failed on the server: {kind}: {brief(words)}"
    if _OUT_OF_MEMORY.search(kind) or _OUT_OF_MEMORY.search(words):
        return OutOfMemory(message, hint="choose a smaller size, or start ComfyUI with --lowvram")
    known = next((hint for pattern, hint in _FAILURES if pattern.search(words)), None)
    return RemoteError(
        message,
        hint=known or "the server's log has the whole traceback",
        node_id=str(data.get("node_id", "")),
        prompt_id=prompt_id,
    )


def brief(words: str) -> str:
    """The first lines of a server's words: a wrong model file makes it write hundreds."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    text = " ".join(lines[:_MOST_LINES])
    text = text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."
    more = len(lines) - _MOST_LINES
    return f"{text} (and {more} lines more, see its log)" if more > 0 else text


def _node_error_lines(nodes: Mapping[str, NodeErrors]) -> Iterator[str]:
    for node_id, entry in nodes.items():
        for error in entry.errors:
            inner = error.type == "exception_during_inner_validation"  # names another input
            name = None if inner else error.extra_info.get("input_name")
            where = f", input {name}" if name and str(name) not in error.details else ""
            said = brief(_join(error.message, error.details))
            yield f"node {node_id} ({entry.class_type}){where}: {said}"


def _name(data: Mapping[str, object]) -> str:
    return f"{data.get('node_id', '?')} ({data.get('node_type', '?')})"


def _join(message: str, details: str) -> str:
    return ": ".join(part.strip() for part in (message, details) if part)


def _hint(kinds: list[str]) -> str:
    return next((_HINTS[kind] for kind in kinds if kind in _HINTS), "")
