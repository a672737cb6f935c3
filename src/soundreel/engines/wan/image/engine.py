"""The wan engine for image to video: Wan 2.2 I2V in this process. What is here needs no torch:
`job` is the door to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from soundreel.engines.base import Ready, Session, parse_options
from soundreel.engines.wan.image.cost import estimate
from soundreel.engines.wan.image.files import ImageFiles, image_checks, select
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.machine.engines import WanBase, computed_here, identity_of
from soundreel.engines.wan.machine.packages import check_kernel_package, require_packages
from soundreel.engines.wan22 import check_size
from soundreel.engines.wan22_i2v import GEOMETRY
from soundreel.errors import EngineUnavailable
from soundreel.events import RunControl
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request


class WanImageEngine(WanBase):
    Options = WanImageOptions

    def geometry(self, request: Request) -> ChunkGeometry:
        options = parse_options(WanImageOptions, request.options)
        fps, frames = options.sampling.fps, options.chunk_frames
        return replace(GEOMETRY, fps=fps, chunk_frames=frames)

    def find(self, request: Request) -> Ready:
        options = parse_options(WanImageOptions, request.options)
        check_size(request.width, request.height)
        require_packages()
        check_kernel_package(options.attention)
        files = select(self._found(), options)
        computed = computed_here(is_small=files.is_small)
        return WanImageReady(options, files, computed, self._settings.gpu, self._rates)

    def estimate(self, plan: Plan) -> Estimate:
        """For the card that `gpu` names or else for this machine's; without weights, for those
        that `soundreel models pull i2v` fetches."""
        unknown = self._no_estimate()
        if unknown is not None:
            return unknown
        options = parse_options(WanImageOptions, plan.request.options)
        try:
            files = select(self._found(), options)
        except EngineUnavailable:
            files = None
        return estimate(plan, options, files, self._settings.gpu, self._rates)

    def _weight_checks(self, models_dir: Sequence[Path]) -> Sequence[Check]:
        return image_checks(models_dir)


@dataclass(frozen=True, slots=True)
class WanImageReady:
    """The weight files of one request. computed: in which numbers, on what; gpu: to plan for;
    rates: the file with the rates of finished jobs."""

    options: WanImageOptions
    files: ImageFiles
    computed: str
    gpu: str | None
    rates: Path

    @property
    def identity(self) -> Mapping[str, str]:
        options = self.options
        return identity_of(self.files.names, options.attention, self.computed, options.recorded())

    def estimate(self, plan: Plan) -> Estimate:
        return estimate(plan, self.options, self.files, self.gpu, self.rates)

    def open(self, plan: Plan, control: RunControl) -> AbstractContextManager[Session]:
        from soundreel.engines.wan.image.job import open_session

        return open_session(plan, self.options, self.files, control, self.rates)
