"""`reference`: the recorded set that the parity tests compare with.

`SOUNDREEL_REFERENCE` names another set's folder; the default is the set that lies beside this file.
A test that takes the argument `dit_case`, `e2e_run` ... runs once for every case or file found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from parity.reference import Reference

if not all(find_spec(name) for name in ("torch", "diffusers", "transformers")):
    collect_ignore_glob = ["test_*.py"]

_REFERENCE = Reference(
    Path(os.environ.get("SOUNDREEL_REFERENCE") or Path(__file__).parent / "data")
)


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The recorded set."""
    return _REFERENCE


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny models gain nothing by threads, and lose much where other work shares the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


_CASES_OF = {
    "dit_case": "dit_cases",
    "rope_case": "rope_head",
    "audio_case": "audio_cases",
    "sampler_case": "samplers",
}
"""Test argument -> file whose manifest cases it runs through."""

_FILES_OF = {"e2e_run": "e2e_run"}
"""Test argument -> start of the names of the files it runs through."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument, start in _CASES_OF.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, list(_REFERENCE.file(start).cases))
    for argument, start in _FILES_OF.items():
        if argument in metafunc.fixturenames:
            files = list(_REFERENCE.files(start))
            metafunc.parametrize(argument, files, ids=[file.name for file in files])
