"""The engines that the contract suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fakes
from contract.harness import Harness
from soundreel.config import Settings


@contextmanager
def _fake(settings: Settings) -> Iterator[Harness]:
    yield Harness("fake", fakes.FakeEngine, settings)


@contextmanager
def _preview(settings: Settings) -> Iterator[Harness]:
    from soundreel.engines.preview.engine import PreviewEngine

    yield Harness("preview", PreviewEngine, settings, samples=False)


@contextmanager
def _comfyui(settings: Settings) -> Iterator[Harness]:
    """Against a server of our own, which shows in each picture what sound drove it."""
    from comfyui.fake.server import FakeComfyUI
    from soundreel.engines.comfyui.engine import ComfyUIEngine

    with FakeComfyUI() as server:
        at = settings.model_copy(update={"url": server.url})
        # Another GPU, driver or attention backend gives other bits.
        yield Harness("comfyui", ComfyUIEngine, at, deterministic=False)


@contextmanager
def _wan(settings: Settings) -> Iterator[Harness]:
    """A tiny random model: its pictures are noise, in which no ear can be seen."""
    pytest.importorskip("torch")
    from soundreel.engines.wan.engine import WanEngine
    from wan import tiny as wan_tiny

    ready = settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)})
    with wan_tiny.one_thread():
        yield Harness("wan", WanEngine, ready, options=wan_tiny.OPTIONS, hears=False)


_ENGINES = {"fake": _fake, "preview": _preview, "comfyui": _comfyui, "wan": _wan}


@pytest.fixture(params=sorted(_ENGINES))
def harness(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[Harness]:
    with _ENGINES[request.param](settings) as ready:
        yield ready
