"""Which weight files a request uses: those it names, else those that lie on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.wan.files.catalog import PUBLISHED, SLOTS
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import Found, WeightSet, find_weights, given, scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.options import WanOptions
from soundreel.errors import InputError, mention
from soundreel.types import Check

SMALL = 10**9
"""Parameters below which a transformer is not the 14B model."""


def find_model(options: WanOptions, models_dir: Sequence[Path]) -> WeightSet:
    """The four models. Raises EngineUnavailable naming what is missing, InputError for a `model`
    that is none."""
    weights = find_weights(models_dir)
    if options.model is not None:
        path = _path_of(options.model, Kind.S2V, models_dir, "model")
        weights = replace(weights, transformer=given(path, "transformer"))
    return weights.require()


def find_loras(options: WanOptions, models_dir: Sequence[Path]) -> list[tuple[Found, float]]:
    """Each LoRA file with its strength. The preset "fast" takes the few-step LoRA that is found.

    Raises InputError where one is not there or is not a LoRA.
    """
    found = []
    if options.lora:
        from soundreel.engines.wan.load.lora import parse_lora  # imports torch

        specs = [parse_lora(text) for text in options.lora]
        for spec in specs:
            path = _path_of(str(spec.path), Kind.LORA, models_dir, "lora")
            found.append((given(path, "lora"), spec.strength))
    if options.sampling_preset == "fast" and not found:
        name = next(file.name for file in PUBLISHED if file.slot == "lora")
        try:
            path = _path_of(name, Kind.LORA, models_dir, "lora")
        except InputError as err:
            raise InputError.about(
                {"options.sampling_preset": "fast"},
                f"needs a few-step LoRA, and {name} is not on this machine",
                hint=f"fetch it: soundreel models pull; or name one: {mention('lora')}",
            ) from err
        found = [(given(path, "lora"), 1.0)]
    return found


def weight_checks(settings: Settings) -> list[Check]:
    """A line for each slot: the file that a job would use."""
    weights = find_weights(settings.models_dir)
    checks = []
    for slot in SLOTS:
        if slot.required:
            item: Found | None = getattr(weights, slot.name)
            text = f"{item.path.name} ({item.number_format})" if item else "not found"
            hint = "" if item else f"soundreel models pull; it belongs into {slot.folders[0]}"
            checks.append(Check(slot.kind.value, item is not None, text, hint))
    return checks


def is_small(weights: WeightSet) -> bool:
    """Whether this is a model for tests, about which the memory model says nothing."""
    return weights.transformer is not None and weights.transformer.parameters < SMALL


def _path_of(text: str, kind: Kind, models_dir: Sequence[Path], option: str) -> Path:
    """A path as it is, or the file of that name in the models folders. Raises InputError."""
    path = Path(text).expanduser()
    if path.exists():
        return path
    known = [item for item in scan(places(models_dir)) if item.kind is kind]
    for item in known:
        if item.path.name == path.name == text:
            return item.path
    names = ", ".join(sorted({item.path.name for item in known})) or "none"
    raise InputError.about(
        {f"options.{option}": text}, "no such file", hint=f"found on this machine: {names}"
    )
