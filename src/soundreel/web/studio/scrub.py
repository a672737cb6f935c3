"""Words of the core made fit for strangers: no path of this machine, no address of a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PATH = re.compile(
    r"""(?<![\w:/.])(?!/v1/)(?:/|[A-Za-z]:\\)(?:[^\s'"`:;,/\\]+[/\\])+([^\s'"`:;,/\\]*)"""
)
"""A rooted path of two parts and more; the part that stays is its last."""
_QUOTED = re.compile(
    r"""(?<=['"`])(?!/v1/)(?:/|[A-Za-z]:\\)[^'"`\n]*[/\\]([^'"`/\\\n]*)(?=['"`])"""
)
"""One between quotes, which may hold spaces."""
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b(?:\.[a-z]{3,4}\b)?")


class Scrub:
    """folders: where this server keeps things; servers: addresses, as they are said; name_of: how a
    client called an upload."""

    def __init__(
        self,
        folders: list[Path],
        servers: Sequence[str],
        name_of: Callable[[str], str | None],
    ) -> None:
        known = {str(folder) for folder in folders} | {str(folder.absolute()) for folder in folders}
        self._known = sorted(known - {"/", "."}, key=len, reverse=True)
        numbered = {url: f"ComfyUI server {number}" for number, url in enumerate(servers, 1)}
        self._servers = dict(sorted(numbered.items(), key=lambda each: -len(each[0])))
        self._name_of = name_of

    def text(self, text: str) -> str:
        for folder in self._known:
            text = text.replace(f"{folder}/", "").replace(f"{folder}\\", "").replace(folder, "...")
        for url, name in self._servers.items():
            text = text.replace(url, name)
        text = _QUOTED.sub(lambda match: match[1] or "...", text)
        text = _PATH.sub(lambda match: match[1] or "...", text)
        return _DIGEST.sub(self._named, text)

    def document(self, value: Any) -> Any:
        """Texts inside it too, names of keys as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.document(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.document(item) for item in value]
        return value

    def _named(self, match: re.Match[str]) -> str:
        return self._name_of(match[0][:64]) or "the file"
