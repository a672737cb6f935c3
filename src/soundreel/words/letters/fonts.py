"""Which font draws what: those that are given, the one in the package, and those found here.

The font in the package comes before those of the machine, so that a video looks the same wherever
it is made; theirs are asked for what it lacks.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from soundreel.errors import InputError, mention
from soundreel.types.words import Font
from soundreel.words.letters.sfnt import Face, read_face, read_faces
from soundreel.words.letters.text import clusters, seen, wants_colour

_PACKAGED = Path(__file__).with_name("font")
PACKAGED = tuple(Font(_PACKAGED / name) for name in ("Inter-Bold.otf", "NotoSansSymbols-Bold.ttf"))
"""Latin, Greek and Cyrillic; musical signs."""

_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_POOR = (
    *("mono", "serif", "italic", "oblique", "condensed", "narrow", "display", "slant", "unifont"),
    *("thin", "light", "black", "extra", "semi", "medium", "lastresort", "unjoined", "looped"),
)
"""In the name of a font: there may be a better one."""


def choose_fonts(texts: Iterable[str], given: Sequence[Path] = ()) -> tuple[Font, ...]:
    """The fonts that draw these texts, in the order in which they are asked. Raises InputError
    naming the first character that none has."""
    wanted = list(dict.fromkeys(cluster for text in texts for cluster in clusters(text)))
    wanted = [cluster for cluster in wanted if not cluster.isspace()]
    faces = [face for path in given for face in read_faces(path)[:1]]
    faces += [read_face(font) for font in PACKAGED]
    while missing := [cluster for cluster in wanted if face_for(cluster, faces) is None]:
        found = _best_here(missing)
        if found is None or found in faces:
            break
        faces.append(found)
    used = {face_for(cluster, faces) for cluster in wanted}
    if None in used:
        raise _no_glyph(next(each for each in wanted if face_for(each, faces) is None))
    return tuple(face.font for face in faces if face in used or face.font == PACKAGED[0])


def face_for(cluster: str, faces: Sequence[Face]) -> Face | None:
    """The first that has all of it; an emoji is drawn in colour where one can."""
    colour, needed = wants_colour(cluster), {ord(char) for char in seen(cluster)}
    able = [face for face in faces if needed <= face.chars]
    return min(able, key=lambda face: face.colour != colour, default=None)


def _best_here(missing: Sequence[str]) -> Face | None:
    """Of this machine's fonts the one that has most of what is missing of one script."""
    script = _script(missing[0])
    needed = [set(map(ord, seen(each))) for each in missing if _script(each) == script]
    colour = wants_colour(missing[0])
    best, most = None, 0
    for face in _machine_faces():
        able = face.colour == colour and sum(needs <= face.chars for needs in needed)
        if able > most:
            best, most = face, able
    if best is None and colour:
        return next((f for f in _machine_faces() if needed[0] <= f.chars), None)
    return best


_HAN = ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "FULLWIDTH")


def _script(cluster: str) -> str:
    if wants_colour(cluster):
        return "emoji"
    name = unicodedata.name(seen(cluster)[0], "?").split()[0]
    return "CJK" if name in _HAN else name


@lru_cache(maxsize=1)
def _machine_faces() -> tuple[Face, ...]:
    """Good ones first."""
    faces: list[Face] = []
    for path in sorted(_machine_files(), key=_rank):
        try:
            faces += read_faces(path)
        except InputError:  # a font of others that is broken is no fault of this job
            continue
    return tuple(faces)


def _rank(path: Path) -> tuple[int, bool, bool, str]:
    name = path.stem.lower()
    return sum(word in name for word in _POOR), "noto" not in name, "bold" not in name, name


def _machine_files() -> Iterator[Path]:
    for folder in _folders():
        if folder.is_dir():
            yield from (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        own = Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft/Windows/Fonts"
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", own]
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local/share"))
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        data / "fonts",
        home / ".fonts",
    ]


def _no_glyph(cluster: str) -> InputError:
    char = seen(cluster)[0]
    name = unicodedata.name(char, "a character without a name")
    return InputError(
        f"no font here has {char} (U+{ord(char):04X}, {name})",
        hint=f"give one that has it: {mention(font='FILE')}; or take it out of the text",
    )
