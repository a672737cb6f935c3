"""Each fault is found at its place and named, and files without a fault pass."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from proof.clean import CLEAN, Clean, sound_file
from proof.faults import FAULTS, Fault, asked_of, found, inject
from soundreel.proof.check import check

QUICK_CLEAN = ("ours-talk-30", "cqt-talk-25")
QUICK = {
    "ours-talk-30": (
        *("777 samples lost", "sound 1 sample late", "sound 1 % slow", "sound 40 ms early"),
        *("sound runs 1 % slow", "picture dropped, others moved up", "1.5 s of pictures again"),
    ),
    "ours-face-16": (
        *("sound 80 ms late", "colour wanders", "jump", "picture dropped, a gap left"),
        *("picture stands for 1 s", "last 0.8 s of pictures missing"),
    ),
}
"""What `make test` runs of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibration")


def _cases() -> list[object]:
    return [
        pytest.param(
            clean, fault,
            id=f"{clean.name}-{fault.name}".replace(" ", "_"),
            marks=[] if fault.name in QUICK.get(clean.name, ()) else [pytest.mark.soak],
        )
        for clean, fault in product(CLEAN, FAULTS)
        if asked_of(fault, clean)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "clean",
    [
        pytest.param(
            each, id=each.name, marks=[] if each.name in QUICK_CLEAN else [pytest.mark.soak]
        )
        for each in CLEAN
    ],
)
def test_a_file_without_a_fault_passes(clean: Clean, folder: Path) -> None:
    proof = check(clean.write(folder), sound_file(clean.sound, folder))
    assert [line for line in proof.lines if line.word == "fail"] == []
    [lag] = [line for line in proof.lines if line.name == "lag"]
    assert (lag.word == "ok") is clean.reacts


@pytest.mark.parametrize(("clean", "fault"), _cases())
def test_a_fault_is_found_at_its_place(
    clean: Clean, fault: Fault, folder: Path, tmp_path: Path
) -> None:
    path, source = clean.write(folder), sound_file(clean.sound, folder)
    film, proof = inject(fault, path, tmp_path, source)
    assert found(fault, proof, film) == ""
