"""One prompt from submission to result: submitted, watched, submitted again, or taken back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soundreel.engines.comfyui.client.jobs import (
    MARK,
    Finished,
    Gone,
    Running,
    Waiting,
    keep_first,
    prompt_status,
    remove_prompts,
    submissions,
)
from soundreel.engines.comfyui.client.listener import Listener
from soundreel.engines.comfyui.client.messages import Message, PreviewMessage
from soundreel.engines.comfyui.client.results import (
    NodeStarted,
    OnProgress,
    Preview,
    PromptResult,
    Queued,
    Step,
    Streamed,
)
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.wire.answers import HistoryEntry, PromptAnswer
from soundreel.engines.comfyui.client.wire.errors import (
    RESUME_HINT,
    InputsGone,
    PicturesLost,
    ServerAway,
    failed_prompt,
    refused_prompt,
)
from soundreel.engines.comfyui.client.wire.faults import not_comfyui
from soundreel.errors import EngineError, RemoteError
from soundreel.events import Notice, RunControl

PromptJson = Mapping[str, Mapping[str, Any]]
"""API format: node id -> {"class_type", "inputs"}."""

MOST_LOSSES = 3
"""A server that loses the same job more often dies of it, most likely for want of memory."""
SOCKET_SECONDS = 2.0
LOST_SECONDS = 10.0
"""So long nothing may come on the socket before all pictures are there, once the run is done."""
_TICK_SECONDS = 0.2
_SOON_SECONDS = 0.05
_STOP_SECONDS = 30.0
_FIRST_SILENCE_SECONDS = 60.0
_END_TYPES = frozenset({"execution_success", "execution_error", "execution_interrupted"})


@dataclass(slots=True)
class Run:
    """Everything that one run needs; `result` is the whole of it. meanwhile: done as soon as the
    server has the prompt."""

    transport: Transport
    listener: Listener
    client_id: str
    control: RunControl
    poll_seconds: float
    on_progress: OnProgress
    meanwhile: Callable[[], None]
    _posted: bool = field(default=False, init=False)
    _ahead: int = field(default=0, init=False)
    _executing: bool = field(default=False, init=False)
    _ending: bool = field(default=False, init=False)
    _heard_at: float = field(default=0.0, init=False)
    _losses: int = field(default=0, init=False)
    _pictures: list[bytes] = field(default_factory=list, init=False)

    def result(
        self,
        prompt: PromptJson | Callable[[], PromptJson],
        wanted: Sequence[str],
        streamed: Streamed | None = None,
    ) -> PromptResult:
        """Submit until the server has finished it once.

        Raises what ComfyClient.run says. Whatever is raised, nothing of ours stays in the queue
        if the server can be reached.
        """
        try:
            for _ in range(1 + MOST_LOSSES):
                done = self._attempt(prompt, wanted, streamed)
                if done is not None:
                    return done
                self._say("lost our job (it restarted, or the queue was cleared): submitted again")
        except BaseException:
            if self._posted:
                self._withdraw()
            raise
        raise RemoteError(
            f"{self.transport.address} lost the same job {1 + MOST_LOSSES} times",
            hint=f"see its log: out of memory? {RESUME_HINT}",
        )

    def _attempt(
        self,
        prompt: PromptJson | Callable[[], PromptJson],
        wanted: Sequence[str],
        streamed: Streamed | None,
    ) -> PromptResult | None:
        """The result of one submission; None if the server lost it, or the files that it names
        and that `prompt` can send again."""
        graph = prompt() if callable(prompt) else prompt
        try:
            with self.transport.attended(self.control):
                prompt_id = self._submit(graph, wanted)
                self.meanwhile()
                entry = self._watch(prompt_id, streamed)
        except InputsGone:
            if callable(prompt):
                return None
            raise
        return None if entry is None else self._checked(entry, prompt_id, wanted, streamed)

    def _submit(self, prompt: PromptJson, wanted: Sequence[str]) -> str:
        """Post the prompt once, even if answers are lost; its id. Where none came it is looked for
        before it is posted again; after a proxy's refusal every second time, and what arrived twice
        is taken off.

        Output nodes that we want get one more input, unique to this submission. ComfyUI does not
        hand unknown inputs to a node, but they are part of its cache key: so these nodes run, and
        what they report is new. File names become unique too: a server that lost its files cannot
        give the name to another's.
        """
        mark = uuid.uuid4().hex
        body = {
            "prompt": _marked(prompt, wanted, mark),
            "client_id": self.client_id,
            "extra_data": {MARK: mark},
        }
        posts, look_first = 0, False

        def attempt() -> str:
            nonlocal posts, look_first
            if look_first and (arrived := submissions(self.transport, mark)):
                return arrived[0]
            posts, self._posted = posts + 1, True
            try:
                return self._post({**body, "prompt_id": str(uuid.uuid4())})
            except ServerAway as err:
                look_first = err.status == 0 or posts % 2 == 0
                raise

        self.listener.start(SOCKET_SECONDS)
        self.listener.forget()
        self._losses = self.listener.losses
        prompt_id = self.transport.again(attempt)
        return keep_first(self.transport, mark, prompt_id) if posts > 1 else prompt_id

    def _post(self, body: Mapping[str, object]) -> str:
        """The prompt's id. Raises RemoteError with the server's words where it is refused."""
        answer = self.transport.request("POST", "/prompt", json=body)
        if answer.ok or answer.status in (400, 413):
            said = self.transport.parsed(answer, PromptAnswer)
            if not answer.ok or not said.prompt_id or said.node_errors:
                raise refused_prompt(said, answer.status)
            return said.prompt_id
        raise not_comfyui(self.transport.address, answer)

    def _watch(self, prompt_id: str, streamed: Streamed | None) -> HistoryEntry | None:
        """Wait for the end: the history entry, or None if the server does not know it any more."""
        self._ahead, self._executing, self._ending = 0, False, False
        self._heard_at, self._pictures = time.monotonic(), []
        silence, next_poll, misses = _FIRST_SILENCE_SECONDS, 0.0, 0
        while True:
            self.control.raise_if_cancelled()
            message = self.listener.next(min(next_poll - time.monotonic(), _TICK_SECONDS))
            if message is not None and self._hear(message, prompt_id, streamed):
                next_poll = 0.0
            if time.monotonic() < next_poll:
                continue
            now = prompt_status(self.transport, prompt_id, ended=self._ending)
            if isinstance(now, Finished):
                while (message := self.listener.next(0.0)) is not None:
                    self._hear(message, prompt_id, streamed)
                return now.entry
            misses = misses + 1 if isinstance(now, Gone) else 0
            if misses == 2:
                return None
            self._report(now.ahead if isinstance(now, Waiting) else 0)
            if isinstance(now, Running) and time.monotonic() - self._heard_at > silence:
                self.listener.refresh()
                self._heard_at, silence = time.monotonic(), silence * 2
            pause = _SOON_SECONDS if self._ending or misses else self.poll_seconds
            next_poll = time.monotonic() + pause

    def _hear(self, message: Message, prompt_id: str, streamed: Streamed | None) -> bool:
        """Pass on what concerns our prompt; whether it says that the prompt is at its end."""
        if isinstance(message, PreviewMessage):
            self._see(message, prompt_id, streamed)
            return False
        if message.prompt_id != prompt_id:
            return False
        self._heard_at = time.monotonic()
        if message.type in _END_TYPES or (message.type == "executing" and message.node is None):
            self._executing, self._ending = False, True
            return True
        self._executing = True
        if message.type == "execution_start":
            self._report(0)
        if message.type == "executing":
            self.on_progress(NodeStarted(str(message.node)))
        if message.type == "progress":
            self.on_progress(Step(message.node or "", message.value, message.maximum))
        return False

    def _see(self, picture: PreviewMessage, prompt_id: str, streamed: Streamed | None) -> None:
        ours = picture.prompt_id == prompt_id
        if ours and streamed is not None and picture.node_id == streamed.node:
            self._pictures.append(picture.image)
        elif ours or (not picture.prompt_id and self._executing):
            self.on_progress(Preview(picture.node_id, picture.image, picture.mime_type))

    def _await_pictures(self, prompt_id: str, streamed: Streamed) -> None:
        """The run is done; on a slow line its pictures are still on their way."""
        silent_since = time.monotonic()
        while len(self._pictures) < streamed.count:
            self.control.raise_if_cancelled()
            message = self.listener.next(_TICK_SECONDS)
            if message is not None:
                self._hear(message, prompt_id, streamed)
                silent_since = time.monotonic()
            elif (
                self.listener.losses != self._losses
                or time.monotonic() - silent_since > LOST_SECONDS
            ):
                raise PicturesLost(
                    f"{len(self._pictures)} of {streamed.count} pictures came on the socket",
                    hint="does a proxy on the way cut long connections?",
                    prompt_id=prompt_id,
                )

    def _checked(
        self,
        entry: HistoryEntry,
        prompt_id: str,
        wanted: Sequence[str],
        streamed: Streamed | None,
    ) -> PromptResult:
        """The result of a history entry. Raises if it failed, or does not hold what we want."""
        events = entry.status.events()
        if entry.status.status_str != "success":
            raise failed_prompt(events, prompt_id)
        cached = events.get("execution_cached", {}).get("nodes")
        if stale := [node for node in wanted if isinstance(cached, list) and node in cached]:
            raise RemoteError(
                f"the server answered node {', '.join(sorted(stale))} from its cache",
                hint="its files may be old ones; restart ComfyUI",
                prompt_id=prompt_id,
            )
        if streamed is not None:
            self._await_pictures(prompt_id, streamed)
        result = PromptResult(prompt_id, entry.outputs, tuple(self._pictures))
        for node_id in wanted:
            if not result.files(node_id):
                raise RemoteError(
                    f"prompt {prompt_id} ended without files from node {node_id}",
                    hint="look into the server's log",
                    node_id=node_id,
                    prompt_id=prompt_id,
                )
        return result

    def _report(self, ahead: int) -> None:
        if ahead != self._ahead:
            self._ahead = ahead
            self.on_progress(Queued(ahead))
            if ahead:
                self._say(f"has {ahead} other job{'s' * (ahead > 1)} before ours")

    def _withdraw(self) -> None:
        pause = min(self.poll_seconds, 1.0)
        try:
            gone = remove_prompts(self.transport, {self.client_id}, _STOP_SECONDS, pause)
        except EngineError as err:
            self._say(f"could not be asked to stop our job: {err.message}")
            return
        if not gone:
            self._say("still works on our job; it stops when the node it is in is done")

    def _say(self, words: str) -> None:
        self.control.emit(Notice(f"{self.transport.address} {words}"))


def _marked(prompt: PromptJson, wanted: Sequence[str], mark: str) -> PromptJson:
    marked = {node_id: dict(node) for node_id, node in prompt.items()}
    for node_id in wanted:
        inputs = {**marked[node_id]["inputs"], MARK: mark}
        if isinstance(prefix := inputs.get("filename_prefix"), str):
            inputs["filename_prefix"] = f"{prefix}_{mark[:12]}"
        marked[node_id]["inputs"] = inputs
    return marked
