"""One row of a table of options."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from soundreel.errors import InputError


class Option:
    """What a person can set.

    fields: what it sets, as paths from the request ("encoding.crf"), or names of settings.
    names: on the command line and in the config file, the classic one first; one letter is a short
        flag; none for what has no flag.
    kind: what a value is, as pydantic takes it; rule: said where a value is not of that kind.
    optional: None is a value. many: may be given several times.
    default: what help shows. metavar: "" for yes and no.
    """

    def __init__(
        self,
        *fields: str,
        kind: Any = str,
        rule: str = "",
        help: str = "",
        names: tuple[str, ...] = (),
        panel: str = "",
        metavar: str = "",
        default: str = "",
        optional: bool = False,
        many: bool = False,
    ) -> None:
        self.fields, self.names = fields, names
        self.kind, self.rule, self.optional, self.many = kind, rule, optional, many
        self.help, self.panel, self.metavar, self.default = help, panel, metavar, default

    def but(self, **changes: Any) -> Option:
        """The same kind of value elsewhere: some of the words around it are others."""
        made = copy(self)
        vars(made).pop("_adapter", None)
        vars(made).update(changes)
        return made

    @property
    def key(self) -> str:
        """Its name as a key: the classic one."""
        return self.names[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The values that it knows by name, for completion: of its kind, or in its metavar."""
        if get_origin(self.kind) is Literal:
            return get_args(self.kind)
        return tuple(word for word in self.metavar.split("|") if word.islower())

    def read(self, value: object) -> object:
        """The value as its kind has it. Raises InputError."""
        if value is None and self.optional:
            return None
        try:
            return self._adapter.validate_python(value)
        except ValidationError as err:
            first = err.errors(include_url=False)[0]
            own = first.get("ctx", {}).get("error")
            rule = str(own) if isinstance(own, ValueError) else self.rule
            name = self.fields[0] if len(self.fields) == 1 else self.key
            raise InputError.about({name: value}, rule) from err

    def read_many(self, value: object) -> tuple[object, ...]:
        """A value for each of several `fields`. Raises InputError."""
        values = self.read(value)
        assert isinstance(values, tuple)
        return values

    @cached_property
    def _adapter(self) -> TypeAdapter[object]:
        return TypeAdapter(self.kind)
