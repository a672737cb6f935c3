"""What a text is made of, as a reader sees it: whole characters, and which way they run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

ZWNJ, ZWJ, TEXT_STYLE, EMOJI_STYLE = "\u200c", "\u200d", "\ufe0e", "\ufe0f"
_UNSEEN = frozenset((ZWNJ, ZWJ, TEXT_STYLE, EMOJI_STYLE))
_BLANKS = re.compile(r"[^\S\n]+")
_SKIN, _FLAGS, _TAGS = range(0x1F3FB, 0x1F400), range(0x1F1E6, 0x1F200), range(0xE0020, 0xE0080)
_PICTURES = range(0x1F000, 0x1FB00)
_KEYCAP = 0x20E3


def cleaned(text: str) -> str:
    """Composed, with single blanks, without what is no letter and only acts (controls, marks of
    direction, soft hyphens); line breaks stay."""
    kept = (char for char in unicodedata.normalize("NFC", text) if not _acts(char))
    lines = (_BLANKS.sub(" ", line).strip() for line in "".join(kept).split("\n"))
    return "\n".join(filter(None, lines))


def _acts(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind in ("Cc", "Cf", "Cs") and not (char.isspace() or char in _UNSEEN or _is_tag(char))


def _is_tag(char: str) -> bool:
    return ord(char) in _TAGS


def clusters(text: str) -> list[str]:
    """What a reader calls characters: letters with their marks, emoji with all that they are joined
    of. (The cases of UAX 29 that fonts can be changed between; syllables need no more.)"""
    found: list[str] = []
    for char in text:
        if found and _belongs(char, found[-1]):
            found[-1] += char
        else:
            found.append(char)
    return found


def _belongs(char: str, before: str) -> bool:
    code = ord(char)
    if char in _UNSEEN or before[-1] == ZWJ or code in _SKIN or code in _TAGS or code == _KEYCAP:
        return before != " "
    if code in _FLAGS:
        return len(before) == 1 and ord(before) in _FLAGS
    return unicodedata.category(char).startswith("M") and before != " "


def seen(cluster: str) -> list[str]:
    """Its characters that a font must have."""
    return [char for char in cluster if char not in _UNSEEN and not _is_tag(char)]


def wants_colour(cluster: str) -> bool:
    """Whether it is an emoji, rather than a sign of text."""
    if TEXT_STYLE in cluster:
        return False
    return EMOJI_STYLE in cluster or any(ord(char) in _PICTURES for char in cluster)


def is_ideographic(char: str) -> bool:
    """Of a script that is written without blanks and may be broken between any two characters."""
    code = ord(char)
    return (
        0x2E80 <= code < 0xA4D0
        or 0xF900 <= code < 0xFB00
        or 0xFE30 <= code < 0xFE50
        or (0xFF00 <= code < 0xFF66 or 0x20000 <= code < 0x40000)
    )


NOT_FIRST = frozenset(
    "、。，．・：；？！）］｝」』】〕〉》ー々ゝヽぁぃぅぇぉっゃゅょァィゥェォッャュョ…‥"
)
"""Of a line (JIS X 4051, cl-02 to cl-11)."""
NOT_LAST = frozenset("（［｛「『【〔〈《")
"""Of a line (JIS X 4051, cl-01)."""


def needs_shaping(text: str) -> bool:
    """Whether its letters join, turn or move: they cannot be drawn one after the other."""
    return any(
        unicodedata.bidirectional(char) in ("R", "AL", "AN", "NSM") or _is_indic(ord(char))
        for char in text
    )


def _is_indic(code: int) -> bool:
    return 0x0900 <= code < 0x1100 or 0x1780 <= code < 0x1800 or 0x1A20 <= code < 0x1AB0


def runs_left(text: str) -> bool:
    """Whether a paragraph is written from right to left: by its first letter (UAX 9, P2)."""
    return next((strong for char in text if (strong := _strong(char)) is not None), False)


def _strong(char: str) -> bool | None:
    kind = unicodedata.bidirectional(char)
    return {"L": False, "R": True, "AL": True}.get(kind)


def visual_order(words: Sequence[str], leftward: bool) -> Iterator[tuple[int, bool]]:
    """The words of one line from left to right, by number, and whether each is written leftward
    (UAX 9 with words for characters: W2, N1, N2, L2)."""
    levels = _levels(words, leftward)
    order = list(range(len(words)))
    for level in range(max(levels, default=0), 0, -1):
        at = 0
        while at < len(order):
            end = at
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[at:end] = reversed(order[at:end])
            at = max(end, at + 1)
    return ((number, levels[number] % 2 == 1) for number in order)


def _levels(words: Sequence[str], leftward: bool) -> list[int]:
    """1 for what runs left; where the paragraph does, 2 for what runs right in it."""
    said = [_direction(word) for word in words]
    levels = []
    for number, own in enumerate(said):
        if own is None:
            before = next((d for d in reversed(said[:number]) if d is not None), leftward)
            after = next((d for d in said[number + 1 :] if d is not None), leftward)
            own = before if before == after else leftward
        levels.append(1 if own else 2 * leftward)
    return levels


def _direction(word: str) -> bool | None:
    """None: it takes that of its neighbours. Digits run right, whatever stands beside them."""
    strong = next((found for char in word if (found := _strong(char)) is not None), None)
    digits = any(unicodedata.bidirectional(char) in ("EN", "AN") for char in word)
    return False if strong is None and digits else strong
