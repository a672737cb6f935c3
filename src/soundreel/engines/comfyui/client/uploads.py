"""Files for the server's input or temp folder, named by their content."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

from soundreel.engines.comfyui.client.results import FileRef
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.errors import InputError, RemoteError

FOLDER = "soundreel"
"""Subfolder on the server, so that its owner knows what can be deleted."""


class Uploader:
    """Sends each content once, and again only if it is not on the server any more."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sent: dict[tuple[str, str], str] = {}

    def upload(self, data: bytes | Path, suffix: str, *, temporary: bool = False) -> str:
        """Value for a loader node's input, e.g. "soundreel/3f2a90.wav".

        temporary: in the temp folder, which the server empties when it starts.
        The server renames a file whose name is taken by other bytes: its answer is what counts.
        Only files that this object sent itself are taken as being there.
        """
        name = f"{_digest(data)}{suffix}"
        kind = "temp" if temporary else "input"
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        known = self._sent.get((kind, name))
        if known is None or not self._is_there(known, kind, size):
            known = self._sent[kind, name] = self._send(name, data, kind, size)
        return f"{known} [temp]" if temporary else known

    def empty(self, file: FileRef) -> None:
        """Put an empty file in the place of one that our run wrote, since nothing can be deleted.

        A server that refuses keeps the file: a matter of disk space, not of the job.
        """
        self._transport.request(
            "POST",
            "/upload/image",
            data={"type": file.type, "subfolder": file.subfolder, "overwrite": "true"},
            files={"image": (file.filename, b"", "application/octet-stream")},
        )

    def _is_there(self, value: str, kind: str, size: int) -> bool:
        folder, _, filename = value.rpartition("/")
        answer = self._transport.request(
            "HEAD",
            "/view",
            params={"filename": filename, "subfolder": folder, "type": kind},
            headers={"Accept-Encoding": "identity"},
        )
        return answer.is_success and answer.headers.get("content-length") == str(size)

    def _send(self, name: str, data: bytes | Path, kind: str, size: int) -> str:
        with ExitStack() as stack:
            body = data if isinstance(data, bytes) else stack.enter_context(data.open("rb"))
            answer = self._transport.request(
                "POST",
                "/upload/image",
                data={"type": kind, "subfolder": FOLDER},
                files={"image": (name, body, "application/octet-stream")},
            )
        if answer.status_code == 413:
            raise InputError(
                f"{name} has {size / 1e6:.0f} MB, more than {self._transport.address} takes: "
                f"{answer.text[:200]}",
                hint="start ComfyUI with a larger --max-upload-size",
            )
        try:
            place = answer.raise_for_status().json()
            return "/".join(filter(None, (str(place.get("subfolder", "")), str(place["name"]))))
        except Exception as err:
            raise RemoteError(
                f"{self._transport.address} did not take the upload ({answer.status_code}): "
                f"{answer.text[:200]}",
                hint=f"is its {kind} folder writable, and its disk not full?",
            ) from err


def _digest(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()[:32]
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
