"""Which weight files a request uses: those it names, else those that lie on this machine.

And those of FILM and RIFE, which make pictures between those of any engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines import wan22
from soundreel.engines.wan.files.catalog import FOLDERS, SLOTS, Slot
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import (
    Found,
    WeightSet,
    choose,
    fingerprint,
    given,
    scan,
)
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan22 import Lora
from soundreel.errors import EngineUnavailable, InputError, mention
from soundreel.types import Check

SMALL = 10**9
"""Parameters below which a transformer is not the 14B model."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of one request. loras: each with its strength; transformers: all usable ones of
    this machine that are no model for tests."""

    weights: WeightSet
    loras: tuple[tuple[Found, float], ...] = ()
    transformers: tuple[Found, ...] = ()

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

    def taking(self, transformer: Found) -> Selection:
        """The same with another transformer."""
        return replace(self, weights=replace(self.weights, transformer=transformer))


def select(
    found: Sequence[Found],
    *,
    model: str | None = None,
    loras: Sequence[Lora] = (),
    by_preset: bool = False,
) -> Selection:
    """What a request uses of the files `found` on this machine.

    model: the S2V transformer, a file name or a path; loras: so too.
    by_preset: the LoRAs are those of a preset, not named by the user.
    Raises EngineUnavailable naming what is missing, InputError for a named file that is not there
    or is of another kind.
    """
    weights = choose(found)
    if model is not None:
        path = path_of(model, Kind.S2V, found, "model")
        weights = replace(weights, transformer=given(path, "transformer"))
    weights = weights.require()
    usable = [item for item in found if item.kind is Kind.S2V and not item.problem]
    files = find_loras(loras, found, by_preset=by_preset, option="lora", fetch="")
    return Selection(weights, files, tuple(t for t in usable if t.parameters >= SMALL))


def usable_film(found: Sequence[Found]) -> Found | None:
    """The first of those files that holds FILM."""
    return _usable(found, Kind.FILM)


def find_network(method: str, models_dir: Sequence[Path]) -> Path:
    """The weight file of "film" or "rife" on this machine. Raises EngineUnavailable where there is
    none."""
    file = _usable(list(scan(places(models_dir))), _NETWORKS[method])
    if file is None:
        flow = f"or do without: {mention(interpolate='flow')}"
        raise EngineUnavailable(
            f"{mention(interpolate=method)} needs the weights of {method.upper()}: none are on "
            "this machine",
            hint=f"fetch them (69 MB): soundreel models pull film; {flow}"
            if method == "film"
            else f"put rife_v4.26.safetensors into {FOLDERS[Kind.RIFE]}; {flow}",
        )
    return file.path


_NETWORKS = {"film": Kind.FILM, "rife": Kind.RIFE}


def _usable(found: Sequence[Found], kind: Kind) -> Found | None:
    return next((item for item in found if item.kind is kind and not item.problem), None)


def network_identity(method: str, path: Path) -> str:
    """File name and fingerprint, for the record."""
    return f"{path.name} {fingerprint(given(path, method))}"


def find_loras(
    loras: Sequence[Lora], found: Sequence[Found], *, by_preset: bool, option: str, fetch: str
) -> tuple[tuple[Found, float], ...]:
    """Each with its strength. by_preset, option: see `select`; fetch: the set that has the
    preset's. Raises EngineUnavailable or InputError."""

    def path(name: str) -> Path:
        if by_preset:
            return few_step_path(name, found, option=option, fetch=fetch)
        return path_of(name, Kind.LORA, found, option)

    return tuple((given(path(lora.name), "lora"), lora.strength) for lora in loras)


def few_step_path(name: str, found: Sequence[Found], *, option: str, fetch: str) -> Path:
    """Of a preset's LoRA. Raises EngineUnavailable."""
    try:
        return path_of(name, Kind.LORA, found, option)
    except InputError as err:
        pull = f"soundreel models pull {fetch}".strip()
        raise EngineUnavailable(
            f"{mention(sampling_preset='fast')} needs a few-step LoRA, and {name} is not on this "
            "machine",
            hint=f"fetch it: {pull}; or name one with {mention(option)}; or do "
            f"without: {mention(sampling_preset='quality')}",
        ) from err


def weight_checks(models_dir: Sequence[Path]) -> list[Check]:
    """A line for each slot: the file that a job would use."""
    found = list(scan(places(models_dir)))
    weights = choose(found)
    checks = []
    for slot in SLOTS:
        if slot.required:
            item: Found | None = getattr(weights, slot.name)
            checks.append(file_check(slot.kind.value, item, slot, fetch=""))
    name = wan22.FEW_STEP_LORA.name
    lora = lora_check(Kind.LORA.value, name, found, option="lora", fetch="")
    return [*checks, lora]


def file_check(name: str, item: Found | None, slot: Slot, *, fetch: str) -> Check:
    """Of the file for a slot. fetch: the set that has it."""
    pull = f"soundreel models pull {fetch}".strip()
    text = f"{item.path.name} ({item.number_format})" if item else "not found"
    hint = "" if item else f"{pull}; it belongs into {slot.folders[0]}"
    return Check(name, item is not None, text, hint)


def lora_check(what: str, name: str, found: Sequence[Found], *, option: str, fetch: str) -> Check:
    """Of a LoRA that the default preset needs. what: it is; option, fetch: see `find_loras`."""
    try:
        few_step_path(name, found, option=option, fetch=fetch)
    except EngineUnavailable as err:
        return Check(what, False, "not found", err.hint)
    return Check(what, True, name)


def path_of(text: str, kind: Kind, found: Sequence[Found], option: str) -> Path:
    """A path as it is, or the file of that name among those found. Raises InputError."""
    path = Path(text).expanduser()
    try:
        if path.exists():
            return path
    except OSError as err:
        raise InputError.about(
            {f"options.{option}": text}, f"cannot be read: {err.strerror}", hint="check the name"
        ) from err
    known = [item for item in found if item.kind is kind]
    for item in known:
        if item.path.name == path.name == text:
            return item.path
    names = ", ".join(sorted({item.path.name for item in known})) or "none"
    raise InputError.about(
        {f"options.{option}": text}, "no such file", hint=f"found on this machine: {names}"
    )
