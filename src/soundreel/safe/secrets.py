"""The one list of what must never be printed, and the one place that takes it out of a text.

Errors, events, the log file and the report of `doctor` all go through `redacted`. A secret is known
by its place (a password in an address, a header, `token=`), by its shape (`hf_...`, `ghp_...`), or
because the code that read it said so (`keep_secret`): a server may repeat it anywhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

MASK = "***"

_SHORTEST = 4
"""Characters below which a secret is found by its place only: "abc" stands in half of all words."""

_SHORTEST_VARIABLE = 8
"""HF_HUB_DISABLE_IMPLICIT_TOKEN is "true"."""

_FOLDERS = ("PWD", "OLDPWD")
"""A shell's folders, whose names look like those of passwords."""

SECRET_NAMES = (
    r"(?:[\w-]{0,40}[_-])?(?:token|secret|passwd|password|passphrase|pwd|api[_-]?key|apikey"
    r"|access[_-]?key(?:[_-]?id)?|secret[_-]?key|private[_-]?key|credentials?|signature|cookie)"
)
"""Names of settings, variables, form fields and query parameters whose value is private."""

_QUERY_NAMES = r"(?:key|sig|auth|code|sv|se|jwt|pass|x-amz-[a-z-]{1,30}|x-goog-[a-z-]{1,30})"
_VALUE = r"""(?:"[^"\r\n]*"|'[^'\r\n]*'|[^\s"'&,;)}\]>]+)"""
_QUOTES = r"""(?:\\?["'])?"""


def _rule(pattern: str, mask: str, flags: int = re.IGNORECASE) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, flags), mask


_RULES = (
    # scheme://user:password@host; the password may hold any of / # ? @
    _rule(r"""([a-z][a-z0-9+.-]{0,20}://)(?:(?!://)[^\s"'<>]){0,2000}@""", rf"\1{MASK}@"),
    # user:password@host
    _rule(
        r"""(?<![^\s"'(,=])[^\s:/@"'\\(,=]{1,100}:[^\s@"'/\\]{1,200}@(?=[\w\[])""",
        f"{MASK}@",
    ),
    _rule(
        r"((?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]{0,20}(?:key|token))"
        rf"""((?:{_QUOTES}\s*[:=]|\\?["']\s*,)\s*b?{_QUOTES})[^\r\n"']+""",
        rf"\1\2{MASK}",
    ),
    _rule(r"\b(bearer)\s+(?!tokens?\b)[\w.~+/=-]{3,}", rf"\1 {MASK}"),
    _rule(r"\b([Bb]asic|BASIC)\s+(?=[a-z]*[A-Z0-9+/])[\w+/-]{6,}={0,2}", rf"\1 {MASK}", 0),
    _rule(  # a mention of the option, "`token=`", has no value
        rf"(?<![\w-])({SECRET_NAMES})({_QUOTES}\s*[:=]\s*b?)(?!`(?:\W|$)){_VALUE}", rf"\1\2{MASK}"
    ),
    _rule(rf"([?&]{_QUERY_NAMES}=)[^&\s\"'<>]+", rf"\1{MASK}"),
    _rule(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        MASK,
        re.DOTALL,
    ),
    _rule(
        r"\b(?:hf_\w{8,}|api_org_\w{8,}|gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
        r"|sk-[\w-]{16,}|r8_\w{16,}|rpa_\w{16,}|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}"
        r"|A(?:KIA|SIA)[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?)",
        MASK,
        0,
    ),
)
"""By place first: what follows a name is private whatever it looks like."""

_kept: dict[str, re.Pattern[str]] = {}


def keep_secret(value: str | None) -> None:
    """From now on `value` is taken out of every text, in each way of writing it."""
    value = (value or "").strip()
    if len(value) >= _SHORTEST:
        _kept[value] = re.compile("|".join(_spellings(value)))


def keep_environment_secret(environ: Mapping[str, str]) -> None:
    """The variables whose name says that they are private ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY")."""
    for name, value in environ.items():
        if is_secret_name(name) and name not in _FOLDERS and len(value) >= _SHORTEST_VARIABLE:
            keep_secret(value)


def is_secret_name(name: str) -> bool:
    return re.fullmatch(SECRET_NAMES, name, re.I) is not None


def redacted(text: str) -> str:
    """The text without anything private; `***` stands in its place."""
    for value in sorted(_kept, key=len, reverse=True):  # one may be a part of another
        text = _kept[value].sub(MASK, text)
    for pattern, mask in _RULES:
        text = pattern.sub(mask, text)
    return text


def _spellings(value: str) -> list[str]:
    """Patterns of the value as it is or in an address, in JSON, in Python's repr, in a header."""
    written = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    written |= {repr(value)[1:-1], repr(value.encode(errors="surrogateescape"))[2:-1]}
    written.add(base64.b64encode(value.encode(errors="surrogateescape")).decode())
    in_address = "".join(_in_address(char) for char in value)
    return [in_address, *(re.escape(text) for text in sorted(written, key=len, reverse=True))]


def _in_address(char: str) -> str:
    """Who writes an address decides which characters are written as %XX."""
    coded = "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
    also = r"|\+" if char == " " else ""
    return f"(?:{re.escape(char)}|{coded}|{coded.lower()}{also})"
