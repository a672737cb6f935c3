"""The engines that make videos of images, and what their contract needs to know of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import fakes
from soundreel.config import Settings
from soundreel.engines.base import Engine
from soundreel.types import ImageRequest


@dataclass(frozen=True)
class ImageHarness:
    """One engine under test.

    size: a picture size that is legal and quick.     options: what a request needs to be quick.
    begins: the first picture is as bright as the given one, and the last one as that which is
        given for the end: None where no eye can see it, such as a random model's.
    ends: whether a picture may be given for the end.   samples: pictures come by sampling steps.
    deterministic: a whole second run gives equal pictures.
    """

    name: str
    make: Callable[[Settings], Engine]
    settings: Settings
    size: tuple[int, int] = (64, 64)
    options: Mapping[str, object] = field(default_factory=dict)
    begins: bool = True
    ends: bool = True
    samples: bool = True
    deterministic: bool = True

    def request(self, image: Path, **changes: object) -> ImageRequest:
        values: dict[str, object] = {
            "image": image, "engine": self.name, "size": self.size, "seed": 7,
            "options": dict(self.options),
        }  # fmt: skip
        return ImageRequest(**{**values, **changes})  # type: ignore[arg-type]


@contextmanager
def _fake(settings: Settings) -> Iterator[ImageHarness]:
    yield ImageHarness("fake", fakes.FakeImageEngine, settings)


@contextmanager
def _comfyui(settings: Settings) -> Iterator[ImageHarness]:
    """Against a server of our own, whose pictures are as bright as those that it was given."""
    from comfyui.fake.server import FakeComfyUI
    from soundreel.engines.comfyui.image_engine import ComfyUIImageEngine

    with FakeComfyUI() as server:
        at = settings.model_copy(update={"url": server.url})
        yield ImageHarness("comfyui", ComfyUIImageEngine, at, deterministic=False)


@contextmanager
def _preview(settings: Settings) -> Iterator[ImageHarness]:
    from soundreel.engines.preview.engine import PreviewImageEngine

    yield ImageHarness("preview", PreviewImageEngine, settings, ends=False, samples=False)


@contextmanager
def _wan(settings: Settings) -> Iterator[ImageHarness]:
    """A tiny random model: its pictures are noise, in which no beginning can be seen."""
    pytest.importorskip("torch")
    from soundreel.engines.wan.image.engine import WanImageEngine
    from wan import tiny as wan_tiny
    from wan.image import tiny

    ready = settings.model_copy(update={"models_dir": (tiny.model_folder(),)})
    with wan_tiny.one_thread():
        yield ImageHarness("wan", WanImageEngine, ready, options=tiny.OPTIONS, begins=False)


IMAGE_ENGINES: Mapping[str, Callable[[Settings], AbstractContextManager[ImageHarness]]] = {
    "fake": _fake,
    "comfyui": _comfyui,
    "preview": _preview,
    "wan": _wan,
}
