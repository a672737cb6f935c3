"""A hub of model files on localhost: enough of its protocol for huggingface_hub's downloads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """files: "owner/repo/path" or "owner/repo@revision/path" -> bytes. Every request is written to
    `requests`.

    break_after: the next download's connection is cut after so many bytes.
    lie: the stated checksums are those of other bytes.    silent: none is stated.
    """

    files: Mapping[str, bytes]
    url: str = ""
    break_after: int | None = None
    lie: bool = False
    silent: bool = False
    requests: list[str] = field(default_factory=list)

    def find(self, path: str) -> bytes | None:
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is None:
            return None
        repo, revision, name = match.groups()
        newest = self.files.get(f"{repo}/{name}") if revision in ("main", COMMIT) else None
        return self.files.get(f"{repo}@{revision}/{name}", newest)

    def checksum(self, content: bytes) -> str:
        if self.silent:
            return f"{len(content)}-bytes"
        return hashlib.sha256(content + (b"!" if self.lie else b"")).hexdigest()


@contextmanager
def fake_hub(files: Mapping[str, bytes]) -> Iterator[FakeHub]:
    hub = FakeHub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._head(hub.find(self.path))

        def do_GET(self) -> None:
            content = hub.find(self.path)
            start = self._head(content)
            if content is None:
                return
            cut, hub.break_after = hub.break_after, None
            self.wfile.write(content[start : None if cut is None else start + cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()

        def _head(self, content: bytes | None) -> int:
            asked = self.headers.get("Range", "")
            hub.requests.append(f"{self.command} {self.path} {asked}".strip())
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return 0
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{hub.checksum(content)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", str(len(content) - start))
            if asked:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.end_headers()
            return start

        def log_message(self, *_: object) -> None:
            pass

    return Handler
