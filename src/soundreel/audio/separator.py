"""Demucs, which separates a voice from its music (adefossez/demucs, MIT): the one place that knows
it. Imported where a voice is separated, since torch comes with it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from demucs.apply import apply_model
from demucs.hf import load_safetensors_model
from numpy.typing import NDArray

from soundreel.engines.tensors import read_header
from soundreel.errors import InputError
from soundreel.events import RunControl

STEM = "vocals"
_MODELS = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")


class Separator:
    """A model and its device. rate: of the sound that it takes, in two channels."""

    def __init__(self, weights: Path) -> None:
        """Raises InputError where the file is none of Demucs's that knows voices."""
        _require_model(weights)
        try:
            self._model = load_safetensors_model(weights)
        except (RuntimeError, ValueError, KeyError, TypeError) as err:
            raise _no_model(weights, str(err).splitlines()[0]) from err
        if STEM not in self._model.sources or self._model.audio_channels != 2:
            raise _no_model(weights, f"it separates {', '.join(self._model.sources)}")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.rate = int(self._model.samplerate)

    @torch.no_grad()
    def voice(self, mix: NDArray[np.float32], control: RunControl) -> NDArray[np.float32]:
        """The voice in (2, n) of a mean near 0 and a deviation near 1; the same on every run:
        Demucs's random shift is left out."""

        def heard(_: dict[str, object]) -> None:
            control.raise_if_cancelled()

        batch = torch.from_numpy(mix)[None]
        stems = apply_model(self._model, batch, shifts=0, device=self._device, callback=heard)
        found: NDArray[np.float32] = stems[0, self._model.sources.index(STEM)].numpy()
        return found


def _require_model(weights: Path) -> None:
    """Its header names the class that is made of it, which could be any: only Demucs's own are."""
    try:
        with weights.open("rb") as file:
            _, metadata = read_header(file)
    except OSError as err:
        raise InputError(f"cannot read {weights}: {err.strerror}", hint="check the name") from err
    except (ValueError, KeyError, EOFError, RecursionError, struct.error) as err:
        raise _no_model(weights, "it is no safetensors file") from err
    if metadata.get("klass") not in _MODELS or "structure" in metadata:
        raise _no_model(weights, "its header names no model of Demucs")


def _no_model(weights: Path, reason: str) -> InputError:
    return InputError(
        f"{weights.name} is no model that separates a voice: {reason}",
        hint="take a .safetensors of huggingface.co/adefossez/HTDemucs",
    )
