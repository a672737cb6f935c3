"""What a manifest says of a recorded run is honoured: sets made up from the recorded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from torch import Tensor

from parity.recorded_run import RecordedRun
from parity.reference import END_TO_END_TOLERANCE, Reference, ReferenceFile, max_abs
from parity.test_end_to_end import run_session

GIVEN_PICTURES = 10


def made_up(reference: Reference, folder: Path, *, said: bool) -> RecordedRun:
    """The first chunk of a recorded run whose sound was given up to picture 9 only.

    The numbers are the official ones, with the official padding. said: the manifest says so.
    """
    recorded = next(reference.files("e2e_run"))
    tensors = recorded.tensors()
    tensors["chunk0.audio_input"] = _ended(tensors["chunk0.audio_input"])
    save_file(tensors, folder / "e2e_run_short.safetensors")
    config = dict(recorded.config)
    if said:
        config["z_frames_used"] = round(GIVEN_PICTURES / config["fps"] * 30)
    facts: dict[str, Any] = {**recorded.cases, "chunks": recorded.cases["chunks"][:1]}
    entry = {**recorded.entry, "config": config, "cases": facts}
    return RecordedRun(reference, ReferenceFile(folder / "e2e_run_short.safetensors", entry))


def _ended(audio: Tensor) -> Tensor:
    """(1, layers, width, pictures)"""
    audio = audio.clone()
    audio[..., GIVEN_PICTURES:] = 0
    return audio


def difference(run: RecordedRun, folder: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    seen = run_session(run, folder, monkeypatch)
    return max_abs(seen.prepared[0]["audio"], run.tensor("chunk0.audio_input"))


def test_sound_that_was_given_in_part_is_padded_with_zeros(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_up(reference, tmp_path, said=True)
    assert run.rows_given is not None
    assert difference(run, tmp_path, monkeypatch) <= END_TO_END_TOLERANCE


def test_without_a_word_the_whole_sound_was_given(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_up(reference, tmp_path, said=False)
    assert run.rows_given is None
    assert difference(run, tmp_path, monkeypatch) > 0.1
