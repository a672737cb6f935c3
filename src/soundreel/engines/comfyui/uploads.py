"""Files for the server's input folder, named by their content."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

from soundreel.engines.comfyui.transport import Transport
from soundreel.errors import InputError, RemoteError

FOLDER = "soundreel"
"""Subfolder of the server's input folder, so that its owner knows what can be deleted."""


class Uploader:
    """Sends each content once, and again only if it is not on the server any more."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sent: dict[str, str] = {}

    def upload(self, data: bytes | Path, suffix: str) -> str:
        """Value for a loader node's input, e.g. "soundreel/3f2a90.wav".

        The server renames a file whose name is taken by other bytes: its answer is what counts.
        Only files that this object sent itself are taken as being there.
        """
        name = f"{_digest(data)}{suffix}"
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        if name in self._sent and self._is_there(self._sent[name], size):
            return self._sent[name]
        self._sent[name] = self._send(name, data, size)
        return self._sent[name]

    def _is_there(self, value: str, size: int) -> bool:
        folder, _, filename = value.rpartition("/")
        answer = self._transport.request(
            "HEAD",
            "/view",
            params={"filename": filename, "subfolder": folder, "type": "input"},
            headers={"Accept-Encoding": "identity"},
        )
        return answer.is_success and answer.headers.get("content-length") == str(size)

    def _send(self, name: str, data: bytes | Path, size: int) -> str:
        with ExitStack() as stack:
            body = data if isinstance(data, bytes) else stack.enter_context(data.open("rb"))
            answer = self._transport.request(
                "POST",
                "/upload/image",
                data={"type": "input", "subfolder": FOLDER},
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
                hint="is its input folder writable, and its disk not full?",
            ) from err


def _digest(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()[:32]
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
