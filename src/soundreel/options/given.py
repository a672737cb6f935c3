"""Fields that are given in one form and kept in an exact one, for type checkers.

`start: Given[Time, Fraction]` takes 90, 90.5, "1:30.5" or a Fraction, and reads as a Fraction. When
the program runs a field is a plain one, which `__post_init__` reads by its row of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, dataclass_transform

AnyPath: TypeAlias = str | Path
"""The name of a file."""
Time: TypeAlias = str | int | float | Fraction
"""Seconds, or a clock time: 90, 90.5, "1:30.5"."""
Rate: TypeAlias = str | int | float | Fraction
"""Pictures a second: 25, 23.976, "30000/1001"."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Class = TypeVar("_Class")


class Given(Generic[_In, _Out]):
    """Taken as the first type, read as the second."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: object = None, /) -> _Out: ...

        def __set__(self, instance: object, value: _In, /) -> None: ...


def given(default: object) -> Any:
    """The default of a Given field."""
    return default


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, Field))
def reading_dataclass(cls: type[_Class]) -> type[_Class]:
    """A frozen dataclass with Given fields, keywords only. (Checkers do not look for `Given` in the
    required fields of the standard decorator.)"""
    made: Callable[[type[_Class]], type[_Class]] = dataclass(frozen=True, slots=True, kw_only=True)
    return made(cls)
