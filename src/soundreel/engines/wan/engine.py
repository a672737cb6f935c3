"""The wan engine: Wan 2.2 S2V in this process. What is here needs no torch: `job` is the door to
that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines.base import Ready, Session, Worker
from soundreel.engines.wan.cost import estimate
from soundreel.engines.wan.files.lookup import Found, choose
from soundreel.engines.wan.files.selection import Selection, select, weight_checks
from soundreel.engines.wan.machine.engines import WanBase, computed_here, identity_of
from soundreel.engines.wan.machine.packages import check_kernel_package, require_packages
from soundreel.engines.wan.options import WanOptions, parse_options
from soundreel.engines.wan22 import (
    BEST_AREA,
    DROPPED_FRAMES,
    LEAST_SIDE,
    SIZE_MULTIPLE,
    check_size,
)
from soundreel.errors import InputError, mention
from soundreel.events import RunControl
from soundreel.timeline.grid import FRAMES_PER_LATENT
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request
from soundreel.video.reader import probe_video

PRODUCTS = {"int8": ("int8", "int8_convrot"), "fp8": ("fp8", "fp8_scaled")}
"""`matmul` that rounds inputs -> number formats of the transformers that it is for."""


class WanEngine(WanBase):
    shows_faces = True
    Options = WanOptions

    def geometry(self, request: Request) -> ChunkGeometry:
        options = parse_options(request.options)
        dropped = 0 if options.init_first_frame else DROPPED_FRAMES
        official = options.reference_timing
        return ChunkGeometry(
            fps=options.sampling.fps,
            chunk_frames=options.chunk_frames,
            grid=options.chunk_frames if official else FRAMES_PER_LATENT,
            dropped_frames=dropped,
            lead_in_frames=0 if official else dropped,
            size_multiple=SIZE_MULTIPLE,
            least_side=LEAST_SIDE,
            best_area=BEST_AREA,
        )

    def find(self, request: Request) -> Ready:
        options = parse_options(request.options)
        _check(request, options)
        require_packages()
        check_kernel_package(options.attention)
        files = _select(self._found(), options)
        _check_products(options, files)
        computed = computed_here(is_small=files.is_small)
        return WanReady(options, files, computed, self._settings.gpu, self._rates)

    def estimate(self, plan: Plan) -> Estimate:
        """For the card that `gpu` names or else for this machine's; without weights, for those
        that `soundreel models pull` fetches."""
        unknown = self._no_estimate()
        if unknown is not None:
            return unknown
        options, found = parse_options(plan.request.options), self._found()
        here = options.model is not None or not choose(found).missing
        files = _select(found, options) if here else None
        return estimate(plan, options, files, self._settings.gpu, self._rates)

    def _weight_checks(self, models_dir: Sequence[Path]) -> Sequence[Check]:
        return weight_checks(models_dir)


@dataclass(frozen=True, slots=True)
class WanReady:
    """The weight files of one request. computed: in which numbers, on what; gpu: to plan for;
    rates: the file with the rates of finished jobs."""

    options: WanOptions
    files: Selection
    computed: str
    gpu: str | None
    rates: Path

    @property
    def identity(self) -> Mapping[str, str]:
        options = self.options
        sampling = options.recorded()
        identity = identity_of(self.files.names, options.attention, self.computed, sampling)
        caching = self.options.caching
        if caching is not None:
            identity["cache"] = f"{self.options.cache} (threshold {caching.threshold:g})"
        if self.options.matmul in PRODUCTS:
            identity["matmul"] = self.options.matmul
        if self.options.compile == "on":
            identity["compiled"] = "the transformer's blocks"
        return identity

    def decide(self, plan: Plan, control: RunControl) -> Mapping[str, str]:
        """See `engines.base.Deciding`: in which numbers quantised weights multiply, and whether the
        model's blocks are compiled."""
        from soundreel.engines.wan.job import decide_compile, decide_products, tell_taken

        tell_taken(self.options, self.files, control)
        here = estimate(plan, self.options, self.files, None, self.rates)
        shortest = here.likely_seconds[0] if here.likely_seconds else None
        compiled = decide_compile(plan, self.options, self.files, shortest, control)
        products = decide_products(self.options, self.files, control)
        return {"compile": "on" if compiled else "off", "matmul": products}

    def decided(self, decisions: Mapping[str, str]) -> WanReady:
        """See `engines.base.Deciding`."""
        chosen = {
            "compile": decisions.get("compile", "off"),
            "matmul": decisions.get("matmul", "exact"),
        }
        return replace(self, options=self.options.model_copy(update=chosen))

    def estimate(self, plan: Plan) -> Estimate:
        return estimate(plan, self.options, self.files, self.gpu, self.rates)

    @property
    def cards_each(self) -> int:
        """See `engines.base.Spreading`."""
        return 1

    def workers(self, plan: Plan, wanted: int | None) -> Sequence[Worker]:  # noqa: ARG002
        """See `engines.base.Spreading`: one for each card."""
        from soundreel.engines.wan.memory.device import card_names

        cards = card_names()[:wanted]
        return [Worker(f"GPU {name}", {"CUDA_VISIBLE_DEVICES": name}) for name in cards]

    def open(self, plan: Plan, control: RunControl) -> AbstractContextManager[Session]:
        from soundreel.engines.wan.job import open_session

        return open_session(plan, self.options, self.files, control, self.rates)


def _check(request: Request, options: WanOptions) -> None:
    """Raises InputError where options and request do not go together."""
    check_size(request.width, request.height)
    if options.init_first_frame and not _all_have_images(request):
        raise InputError.about(
            {"options.init_first_frame": True},
            "every shot begins with its reference image, and one has none",
            hint=f"give one, {mention('image')}, or leave it out",
        )
    if options.pose_video is not None:
        probe_video(options.pose_video)


def _all_have_images(request: Request) -> bool:
    shots = request.shot_list
    own = bool(shots) and all(shot.image is not None for shot in shots)
    return request.image is not None or request.cover is True or own


def _check_products(options: WanOptions, files: Selection) -> None:
    """Raises InputError where the transformer's weights are not of those that `matmul` is for."""
    formats, found = PRODUCTS.get(options.matmul), files.weights.transformer
    if formats is not None and found is not None and found.number_format not in formats:
        raise InputError.about(
            {"options.matmul": options.matmul},
            f"it is for weights in {' or '.join(formats)}, and {found.path.name} is "
            f"{found.number_format}",
            hint=f"take {mention(matmul='exact')}, or another file by {mention('model')}",
        )


def _select(found: Sequence[Found], options: WanOptions) -> Selection:
    """Raises EngineUnavailable or InputError where something is missing."""
    return select(
        found,
        model=options.model,
        loras=options.sampling.loras,
        by_preset=not options.lora,
    )
