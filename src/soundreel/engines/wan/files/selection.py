"""Which weight files a request uses: those it names, else those that lie on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines.wan.files.catalog import PUBLISHED, SLOTS
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import (
    Found,
    WeightSet,
    choose,
    find_weights,
    fingerprint,
    given,
)
from soundreel.errors import InputError, mention
from soundreel.types import Check

SMALL = 10**9
"""Parameters below which a transformer is not the 14B model."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of one request. loras: each with its strength."""

    weights: WeightSet
    loras: tuple[tuple[Found, float], ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """File name and fingerprint by slot, for the record."""
        used = {slot.name: getattr(self.weights, slot.name, None) for slot in SLOTS}
        used |= {f"lora {index}": lora for index, (lora, _) in enumerate(self.loras, 1)}
        return {
            name: f"{file.path.name} {fingerprint(file)}" for name, file in used.items() if file
        }

    @property
    def is_small(self) -> bool:
        """Whether this is a model for tests, about which the memory model says nothing."""
        transformer = self.weights.transformer
        return transformer is not None and transformer.parameters < SMALL


def select(
    found: Sequence[Found],
    *,
    model: str | None = None,
    loras: Sequence[tuple[str, float]] = (),
    few_steps: bool = False,
) -> Selection:
    """What a request uses of the files `found` on this machine.

    model: the S2V transformer, a file name or a path; loras: so too, each with its strength.
    few_steps: take the published few-step LoRA where no other is given.
    Raises EngineUnavailable naming what is missing, InputError for a file that is not there or is
    of another kind.
    """
    weights = choose(found)
    if model is not None:
        path = _path_of(model, Kind.S2V, found, "model")
        weights = replace(weights, transformer=given(path, "transformer"))
    return Selection(weights.require(), tuple(_loras(found, loras, few_steps=few_steps)))


def _loras(
    found: Sequence[Found], named: Sequence[tuple[str, float]], *, few_steps: bool
) -> Iterator[tuple[Found, float]]:
    for name, strength in named:
        yield given(_path_of(name, Kind.LORA, found, "lora"), "lora"), strength
    if few_steps and not named:
        name = next(file.name for file in PUBLISHED if file.slot == "lora")
        try:
            path = _path_of(name, Kind.LORA, found, "lora")
        except InputError as err:
            raise InputError.about(
                {"options.sampling_preset": "fast"},
                f"needs a few-step LoRA, and {name} is not on this machine",
                hint=f"fetch it: soundreel models pull; or name one: {mention('lora')}",
            ) from err
        yield given(path, "lora"), 1.0


def weight_checks(models_dir: Sequence[Path]) -> list[Check]:
    """A line for each slot: the file that a job would use."""
    weights = find_weights(models_dir)
    checks = []
    for slot in SLOTS:
        if slot.required:
            item: Found | None = getattr(weights, slot.name)
            text = f"{item.path.name} ({item.number_format})" if item else "not found"
            hint = "" if item else f"soundreel models pull; it belongs into {slot.folders[0]}"
            checks.append(Check(slot.kind.value, item is not None, text, hint))
    return checks


def _path_of(text: str, kind: Kind, found: Sequence[Found], option: str) -> Path:
    """A path as it is, or the file of that name among those found. Raises InputError."""
    path = Path(text).expanduser()
    if path.exists():
        return path
    known = [item for item in found if item.kind is kind]
    for item in known:
        if item.path.name == path.name == text:
            return item.path
    names = ", ".join(sorted({item.path.name for item in known})) or "none"
    raise InputError.about(
        {f"options.{option}": text}, "no such file", hint=f"found on this machine: {names}"
    )
