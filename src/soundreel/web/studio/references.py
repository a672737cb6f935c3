"""Files that stand inside a body: data: addresses, uploads, web addresses of allowed hosts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from soundreel.errors import InputError
from soundreel.web.asked.fields import FILE_FIELDS, MAPPED
from soundreel.web.studio.uploads import Uploads

_ADDRESS_KEYS = ("audio_url", "image_url", "video_url", "url", "file_id")
_NAMES = {*FILE_FIELDS, *MAPPED, "ref_image"} - {"seconds", "shots", "prompts"}
_DATA = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.DOTALL)
_FETCH_S = 60.0


class References:
    """input_hosts: what may be fetched; all other web addresses are refused, so that nobody has
    this server ask others in its name."""

    def __init__(self, uploads: Uploads, input_hosts: Collection[str]) -> None:
        self._uploads, self._hosts = uploads, input_hosts

    def resolved(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with all such files as uploads. Raises InputError, Refused or ChildFailed."""
        return {
            name: self._value(name, value) if name in _NAMES else value
            for name, value in body.items()
        }

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            if len(value) == 1 and next(iter(value)) in _ADDRESS_KEYS:
                [(key, address)] = value.items()
                return self._value(f"{name}.{key}", address)
            return {key: self._value(f"{name}.{key}", item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(f"{name}.{index}", item) for index, item in enumerate(value)]
        if isinstance(value, str) and value[:5].lower() == "data:":
            return self._uploads.keep_bytes(_data(name, value), name.partition(".")[0]).id
        if isinstance(value, str) and re.match(r"(?i)[a-z][a-z0-9+.-]*://", value):
            return self._fetched(name, value)
        return value

    def _fetched(self, name: str, address: str) -> str:
        try:
            parts = urlsplit(address)
            host, scheme = parts.hostname or "", parts.scheme
        except ValueError:
            host = scheme = ""
        if scheme not in ("http", "https") or host not in self._hosts:
            raise InputError(
                "this server fetches nothing from there",
                hint="send the file itself, or a data: address; or have its host allowed: "
                "input_hosts of the server's config",
                fields={name: address[:80]},
                rule="a host that is allowed",
            )
        try:
            with (
                self._uploads.receiving(parts.path) as receiver,
                httpx.stream("GET", address, timeout=_FETCH_S, follow_redirects=False) as answer,
            ):
                if answer.status_code != 200:
                    raise _unreachable(name, f"it answered {answer.status_code}")
                for piece in answer.iter_bytes():
                    receiver.write(piece)
                return self._uploads.keep(receiver).id
        except httpx.HTTPError as err:
            raise _unreachable(name, type(err).__name__) from err


def _unreachable(name: str, why: str) -> InputError:
    return InputError(
        f"the file could not be fetched: {why}", "send the file itself", fields={name: None}
    )


def _data(name: str, address: str) -> bytes:
    found = _DATA.fullmatch(address)
    try:
        if found is None:
            raise ValueError
        if ";base64" in found[2]:
            return base64.b64decode(unquote_to_bytes(found[3]), validate=True)
        return unquote_to_bytes(found[3])
    except (ValueError, binascii.Error) as err:
        raise InputError(
            "the data: address cannot be read",
            hint="write data:audio/wav;base64,... with the bytes in base64",
            fields={name: f"{address[:40]}..."},
            rule="a data: address in base64",
        ) from err
