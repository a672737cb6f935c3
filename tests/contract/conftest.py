"""The engines that the contract suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

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

    yield Harness("preview", PreviewEngine, settings)


@contextmanager
def _comfyui(settings: Settings) -> Iterator[Harness]:
    """Against a server of our own, which shows in each picture what sound drove it."""
    from comfyui.fake_server import FakeComfyUI
    from soundreel.engines.comfyui.engine import ComfyUIEngine

    with FakeComfyUI() as server:
        yield Harness("comfyui", ComfyUIEngine, settings.model_copy(update={"url": server.url}))


@contextmanager
def _wan(settings: Settings) -> Iterator[Harness]:
    """A tiny random model on one thread: its pictures are noise that no ear can follow."""
    torch = pytest.importorskip("torch")
    from soundreel.engines.wan.engine import WanEngine

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ready = settings.model_copy(update={"models_dir": (Path(_wan_models().name),)})
    options = {"steps": 2, "chunk_frames": 8, "guidance_scale": 2.0}
    yield Harness("wan", WanEngine, ready, options=options, hears=False)
    torch.set_num_threads(threads)


@cache
def _wan_models() -> TemporaryDirectory[str]:
    """Made once for all tests, removed at exit."""
    from soundreel.engines.wan.testing import make_model_folder

    folder = TemporaryDirectory(prefix="soundreel-wan-")
    make_model_folder(Path(folder.name))
    return folder


_ENGINES = {"fake": _fake, "preview": _preview, "comfyui": _comfyui, "wan": _wan}


@pytest.fixture(params=sorted(_ENGINES))
def harness(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[Harness]:
    with _ENGINES[request.param](settings) as ready:
        yield ready
