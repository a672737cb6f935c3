"""Files for the server's input or temp folder, named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from soundreel.engines.comfyui.client.results import FileRef
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.wire.answers import UploadAnswer
from soundreel.engines.comfyui.client.wire.errors import RESUME_HINT, ServerAway
from soundreel.engines.comfyui.client.wire.exchange import Ask
from soundreel.engines.comfyui.client.wire.faults import passing
from soundreel.errors import InputError, RemoteError

FOLDER = "soundreel"
"""Subfolder on the server, so that its owner knows what can be deleted."""


class Uploader:
    """Sends each content once, and again only if it is not on the server any more.

    tag: makes the names of temporary files ours alone, so that emptying them harms nobody.
    """

    def __init__(self, transport: Transport, tag: str) -> None:
        self._transport = transport
        self._tag = tag
        self._sent: dict[tuple[str, str], FileRef] = {}
        self._used: set[FileRef] = set()

    def upload(self, data: bytes | Path, suffix: str, *, temporary: bool = False) -> str:
        """Value for a loader node's input, e.g. "soundreel/3f2a90.wav".

        temporary: in the temp folder, which the server empties when it starts.
        The server renames a file whose name is taken by other bytes: its answer is what counts.
        Only files that this object sent itself are taken as being there.
        """
        tag = f"-{self._tag}" if temporary else ""
        name = f"{_digest(data)}{tag}{suffix}"
        kind = "temp" if temporary else "input"
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        known = self._sent.get((kind, name))
        if known is None or not self._is_there(known, size):
            known = self._transport.again(lambda: self._send(name, data, kind, size))
            self._sent[kind, name] = known
        self._used.add(known)
        value = "/".join(filter(None, (known.subfolder, known.filename)))
        return f"{value} [temp]" if temporary else value

    def unused(self) -> list[FileRef]:
        """The temporary files that nobody asked for since the last call."""
        idle = [file for file in self._sent.values() if file.type == "temp"]
        idle = [file for file in idle if file not in self._used]
        self._used = set()
        return idle

    def forget(self, file: FileRef) -> None:
        """The file is empty now."""
        self._sent = {place: sent for place, sent in self._sent.items() if sent != file}

    def emptying(self, file: FileRef) -> Ask:
        """Puts an empty file in the place of one that our run wrote, since nothing can be deleted.

        A server that refuses keeps the file: a matter of disk space, not of the job.
        """
        return Ask(
            "POST",
            "/upload/image",
            {
                "data": {"type": file.type, "subfolder": file.subfolder, "overwrite": "true"},
                "files": {"image": (file.filename, b"", "application/octet-stream")},
            },
        )

    def _is_there(self, file: FileRef, size: int) -> bool:
        identity = {"Accept-Encoding": "identity"}
        answer = self._transport.again(
            lambda: self._transport.request("HEAD", "/view", params=file.query(), headers=identity)
        )
        return answer.ok and answer.headers.get("content-length") == str(size)

    def _send(self, name: str, data: bytes | Path, kind: str, size: int) -> FileRef:
        with ExitStack() as stack:
            body = data if isinstance(data, bytes) else stack.enter_context(data.open("rb"))
            with self._disk_trouble(kind):
                answer = self._transport.request(
                    "POST",
                    "/upload/image",
                    sends=size,
                    data={"type": kind, "subfolder": FOLDER},
                    files={"image": (name, body, "application/octet-stream")},
                )
        if answer.status == 413:
            raise InputError(
                f"{name} has {size / 1e6:.0f} MB, more than {self._transport.address} takes: "
                f"{answer.words()}",
                hint="start ComfyUI with a larger --max-upload-size",
            )
        if answer.status == 400:
            raise self._refused(kind, answer.status, answer.words())
        if not answer.ok:
            raise passing(self._transport.address, answer, self._refused(kind, answer.status))
        place = self._transport.parsed(answer, UploadAnswer)
        return FileRef(place.name, place.subfolder, kind)

    @contextmanager
    def _disk_trouble(self, kind: str) -> Iterator[None]:
        """A server that cannot write answers 500, as one does that breaks down for a moment."""
        try:
            yield
        except ServerAway as err:
            if err.status == 500:
                err.then = self._refused(kind, err.status)
            raise

    def _refused(self, kind: str, status: int, words: str = "") -> RemoteError:
        return RemoteError(
            f"{self._transport.address} did not take the upload ({status})"
            + (f": {words}" if words else ""),
            hint=f"is its {kind} folder writable, and its disk not full? {RESUME_HINT}",
        )


def _digest(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()[:32]
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
