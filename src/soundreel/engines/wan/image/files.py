"""Which weight files an image to video takes: the two transformers, which only their names tell
apart, and what lies beside them.

Both have the same tensors. Every maker says in the file's name, or else in its folder's, which is
which: wan2.2_i2v_high_noise_14B_fp8_scaled, Wan2_2-I2V-A14B-HIGH_fp8_e4m3fn_scaled_KJ,
Wan2.2-I2V-A14B-LowNoise-Q4_K_M, low_noise_model/diffusion_pytorch_model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from soundreel.engines.wan.files.catalog import slot_named
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import Found, choose, fingerprint, given, scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.files.selection import (
    SMALL,
    file_check,
    find_loras,
    lora_check,
    path_of,
)
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan22_i2v import EXPERTS, FEW_STEP_LORAS, Expert
from soundreel.errors import EngineUnavailable, InputError, mention
from soundreel.types import Check

SET = "i2v"
"""What `soundreel models pull` fetches all of it by."""

_LEVEL = re.compile(r"(?<![a-z])(high|low)(?:[ _-]?noise)?(?![a-z])", re.IGNORECASE)

_BESIDE = ("text_encoder", "vae")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """The files of one request. loras: of each transformer, each with its strength."""

    experts: Mapping[Expert, Found]
    text_encoder: Found
    vae: Found
    loras: Mapping[Expert, tuple[tuple[Found, float], ...]]

    @property
    def names(self) -> dict[str, str]:
        """File name and fingerprint of each, for the record."""
        used = {f"{expert} noise": file for expert, file in self.experts.items()}
        used |= {"text_encoder": self.text_encoder, "vae": self.vae}
        for expert, loras in self.loras.items():
            used |= {f"{expert} noise lora {n}": file for n, (file, _) in enumerate(loras, 1)}
        return {name: f"{file.path.name} {fingerprint(file)}" for name, file in used.items()}

    @property
    def is_small(self) -> bool:
        """Whether this is a model for tests, about which the memory model says nothing."""
        return any(file.parameters < SMALL for file in self.experts.values())


def level_of(path: Path) -> Expert | None:
    """Which transformer a file holds, by its name or its folder's; None where neither says it."""
    for name in (path.name, path.parent.name):
        levels = {word.lower() for word in _LEVEL.findall(name)}
        if len(levels) == 1:
            return cast(Expert, levels.pop())
    return None


def select(found: Sequence[Found], options: WanImageOptions) -> ImageFiles:
    """What a request uses of the files `found` on this machine.

    Raises EngineUnavailable naming what is missing, InputError for a named file that is not there
    or is of another kind.
    """
    named: dict[Expert, str | None] = {"high": options.model_high, "low": options.model_low}
    files = slots_of(found)
    files |= {f"{expert}_noise": _expert(expert, named[expert], found) for expert in EXPERTS}
    present = {slot: file for slot, file in files.items() if file is not None}
    missing = [slot for slot in files if slot not in present]
    if missing:
        wanted = "; ".join(f"{slot} ({slot_named(slot).kind.value})" for slot in missing)
        raise EngineUnavailable(
            f"no weights for: {wanted}",
            hint=f"see what was found: soundreel models; fetch what is missing: soundreel models "
            f"pull {SET}; or name a folder: {mention('models_dir')}",
        )
    experts = {expert: present[f"{expert}_noise"] for expert in EXPERTS}
    loras = {expert: _loras(expert, found, options) for expert in EXPERTS}
    return ImageFiles(experts, present["text_encoder"], present["vae"], loras)


def slots_of(found: Sequence[Found]) -> dict[str, Found | None]:
    """What fills each slot, its LoRAs aside; None is missing."""
    weights = choose(found)
    experts = {f"{expert}_noise": usable(expert, found) for expert in EXPERTS}
    return {**experts, **{slot: getattr(weights, slot) for slot in _BESIDE}}


def usable(expert: Expert, found: Sequence[Found]) -> Found | None:
    """The first of those files that holds this transformer."""
    return next(
        (
            item
            for item in found
            if item.kind is Kind.I2V and not item.problem and level_of(item.path) == expert
        ),
        None,
    )


def image_checks(models_dir: Sequence[Path]) -> list[Check]:
    """A line for each file that a job would use."""
    found = list(scan(places(models_dir)))
    weights = choose(found)
    checks = [
        file_check(
            f"Wan 2.2 I2V transformer, {expert} noise",
            usable(expert, found),
            slot_named(f"{expert}_noise"),
            fetch=SET,
        )
        for expert in EXPERTS
    ]
    for slot in map(slot_named, _BESIDE):
        checks.append(file_check(slot.kind.value, getattr(weights, slot.name), slot, fetch=SET))
    for expert, file in FEW_STEP_LORAS.items():
        what, option = f"LoRA, {expert} noise", f"lora_{expert}"
        checks.append(lora_check(what, file.name, found, option=option, fetch=SET))
    return checks


def _expert(expert: Expert, named: str | None, found: Sequence[Found]) -> Found | None:
    if named is None:
        return usable(expert, found)
    option = f"model_{expert}"
    file = given(path_of(named, Kind.I2V, found, option), f"{expert}_noise")
    if level_of(file.path) not in (expert, None):
        raise InputError.about(
            {f"options.{option}": named},
            f"its name says that it is the other one, of {level_of(file.path)} noise",
            hint="change the two",
        )
    return file


def _loras(
    expert: Expert, found: Sequence[Found], options: WanImageOptions
) -> tuple[tuple[Found, float], ...]:
    by_preset = not (options.lora_high if expert == "high" else options.lora_low)
    wanted = options.sampling.loras[expert]
    return find_loras(wanted, found, by_preset=by_preset, option=f"lora_{expert}", fetch=SET)
