"""Faces in one picture: where each of them is, as people write it, and when it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from soundreel.errors import InputError
from soundreel.options.texts import read_named, read_path, read_spans, read_text, read_time

Box = tuple[Fraction, Fraction, Fraction, Fraction]
"""Left, top, right and bottom edge, as shares of the picture's width and height."""

_HALF = Fraction(1, 2)
_WORDS: Mapping[str, Box] = {
    "left": (Fraction(0), Fraction(0), _HALF, Fraction(1)),
    "right": (_HALF, Fraction(0), Fraction(1), Fraction(1)),
}
SIGN = "@"
"""Stands before a region where a picture could stand too."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the reference image: a box, or a mask, which is a picture of the image's size,
    white where the part is."""

    box: Box | None = None
    mask: Path | None = None

    def __str__(self) -> str:
        """As a person writes it, without the sign before it."""
        if self.box is None:
            return str(self.mask)
        words = (word for word, box in _WORDS.items() if box == self.box)
        return next(words, ",".join(f"{float(edge):.6g}" for edge in self.box))


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One of several speakers in the picture of a shot.

    region: where the face is. speaks: spans of the sound file in which the sound drives it; ()
    where all of its sound does, as with a track of its own.
    Raises InputError naming the first value that cannot be read.
    """

    name: str
    region: Region
    speaks: tuple[tuple[Fraction, Fraction], ...] = ()

    def __post_init__(self) -> None:
        readers = {"name": read_text, "region": read_region, "speaks": read_spans}
        for name, read in readers.items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, read(value))
            except ValueError as err:
                raise InputError.about({f"faces.{name}": value}, str(err)) from err


def read_faces(value: object) -> tuple[Face, ...]:
    """From a list as TOML, JSON or Python have it. Raises InputError."""
    known = {each.name for each in fields(Face)}
    if not isinstance(value, (list, tuple)):
        raise InputError.about({"faces": value}, "write a list of faces")
    faces = []
    for item in value:
        if isinstance(item, Face):
            faces.append(item)
        elif isinstance(item, Mapping) and {"name", "region"} <= set(item) <= known:
            faces.append(Face(**item))
        else:
            raise InputError.about(
                {"faces": item},
                'a face has a name and a region, as { name = "anna", region = "left" }',
            )
    names = [face.name for face in faces]
    if len(set(names)) < len(names):
        raise InputError.about({"faces": names}, "each face has another name")
    return tuple(faces)


def with_masks(
    faces: Iterable[Face], placed: Callable[[Path | None], Path | None]
) -> tuple[Face, ...]:
    """The faces with their masks elsewhere."""
    return tuple(
        replace(face, region=replace(face.region, mask=placed(face.region.mask))) for face in faces
    )


def read_region(value: object) -> Region:
    """From "left", "right", "0.1,0.2,0.4,0.9" or the name of a mask, with or without "@", or as a
    record has it. Raises ValueError."""
    if isinstance(value, Region):
        return value
    if isinstance(value, Mapping) and set(value) <= {"box", "mask"}:
        box, mask = value.get("box"), value.get("mask")
        return _boxed(box) if box is not None else Region(mask=read_path(mask))
    if isinstance(value, Path):
        return Region(mask=value)
    text = read_text(value).strip().removeprefix(SIGN)
    if text in _WORDS:
        return Region(_WORDS[text])
    if text.count(",") == 3:
        return _boxed(text.split(","))
    return Region(mask=read_path(text))


def read_cast(value: object) -> dict[str, Path | Region]:
    """The picture of each speaker, or with "@" before it their place in one. Raises ValueError."""
    cast = dict[str, Path | Region]()
    for name, item in read_named(value).items():
        is_region = isinstance(item, (Region, Mapping)) or str(item).startswith(SIGN)
        cast[name] = read_region(item) if is_region else read_path(item)
    return cast


def _boxed(edges: object) -> Region:
    rule = "write a box as its left, top, right and bottom edge in shares of the picture, as "
    rule += f"{SIGN}0.1,0.2,0.4,0.9"
    if not isinstance(edges, (list, tuple)) or len(edges) != 4:
        raise ValueError(rule)
    try:
        left, top, right, bottom = (read_time(edge) for edge in edges)
    except ValueError as err:
        raise ValueError(rule) from err
    for low, high in pairwise((Fraction(0), left, right, Fraction(1))):
        if low > high:
            raise ValueError(rule)
    if not (left < right and 0 <= top < bottom <= 1):
        raise ValueError(rule)
    return Region((left, top, right, bottom))
