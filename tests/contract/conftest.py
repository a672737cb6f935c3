"""The engines that the contract suite runs over."""

from __future__ import annotations

from pathlib import Path

import pytest

import fakes
from contract.harness import Harness
from soundreel.config import Settings


def _fake(settings: Settings) -> Harness:
    return Harness("fake", fakes.FakeEngine, settings)


def _preview(settings: Settings) -> Harness:
    from soundreel.engines.preview.engine import PreviewEngine

    return Harness("preview", PreviewEngine, settings)


_ENGINES = {"fake": _fake, "preview": _preview}


@pytest.fixture(params=sorted(_ENGINES))
def harness(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Harness:
    return _ENGINES[request.param](settings)
