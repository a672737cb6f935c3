"""The wan engine for image to video: Wan 2.2 I2V in this process. What is here needs no torch:
`job` is the door to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.base import Ready, Session, parse_options
from soundreel.engines.wan.files.lookup import Found, scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.image.cost import estimate
from soundreel.engines.wan.image.files import ImageFiles, image_checks, select
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.machine.allocator import use_expandable_segments
from soundreel.engines.wan.machine.packages import (
    check_kernel_package,
    kernel_identity,
    library_versions,
    missing_packages,
    require_packages,
)
from soundreel.engines.wan.memory.main_memory import memory_check, total_memory
from soundreel.engines.wan.memory.rates import FILE_NAME
from soundreel.engines.wan22 import check_size
from soundreel.engines.wan22_i2v import GEOMETRY
from soundreel.errors import EngineUnavailable, mention
from soundreel.events import RunControl
from soundreel.installation import install_command
from soundreel.media.marks import TRAINED
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request


class WanImageEngine:
    name = "wan"
    interpolations: frozenset[str] = frozenset()
    Options = WanImageOptions

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def geometry(self, request: Request) -> ChunkGeometry:
        options = parse_options(WanImageOptions, request.options)
        fps, frames = options.sampling.fps, options.chunk_frames
        return replace(GEOMETRY, fps=fps, chunk_frames=frames)

    def source_type(self, request: Request) -> str:  # noqa: ARG002
        return TRAINED

    def find(self, request: Request) -> Ready:
        options = parse_options(WanImageOptions, request.options)
        check_size(request.width, request.height)
        require_packages()
        check_kernel_package(options.attention)
        files = select(self._found(), options)
        use_expandable_segments()
        from soundreel.engines.wan.memory.device import default_dtype
        from soundreel.post.networks.device import choose_device

        device = choose_device()
        if device.type == "cpu" and not files.is_small:
            raise EngineUnavailable(
                "no GPU that torch can use: a 14B model would take days on the CPU",
                hint="install torch for your GPU, or choose the engine comfyui or preview",
            )
        numbers = str(default_dtype(device)).removeprefix("torch.")
        computed = f"{numbers} on {device.type}"
        return WanImageReady(options, files, computed, self._settings.gpu, self._rates)

    def estimate(self, plan: Plan) -> Estimate:
        """For the card that `gpu` names or else for this machine's; without weights, for those
        that `soundreel models pull i2v` fetches."""
        missing = missing_packages() if self._settings.gpu is None else ""
        if missing:
            said = f"not known without {missing}: {install_command('wan')}"
            said += f"; or name one: {mention(gpu='RTX 4090')}"
            return Estimate(source="unknown", details=(("card", said),))
        options = parse_options(WanImageOptions, plan.request.options)
        try:
            files = select(self._found(), options)
        except EngineUnavailable:
            files = None
        return estimate(plan, options, files, self._settings.gpu, self._rates)

    def diagnose(self) -> Sequence[Check]:
        missing = missing_packages()
        if missing:
            return (Check("packages", False, missing, install_command("wan")),)
        from soundreel.engines.wan.memory.device import gpu_check

        checks = image_checks(self._settings.models_dir)
        memory = memory_check(total_memory())
        return (Check("torch", True, version("torch")), gpu_check(), memory, *checks)

    @property
    def _rates(self) -> Path:
        return self._settings.work_dir / FILE_NAME

    def _found(self) -> tuple[Found, ...]:
        return tuple(scan(places(self._settings.models_dir)))


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
        libraries = library_versions()
        kernel = kernel_identity(self.options.attention)
        if kernel:
            libraries["attention"] = kernel
        sampling = self.options.recorded()
        return {**self.files.names, **libraries, "computed": self.computed, "sampling": sampling}

    def estimate(self, plan: Plan) -> Estimate:
        return estimate(plan, self.options, self.files, self.gpu, self.rates)

    def open(self, plan: Plan, control: RunControl) -> AbstractContextManager[Session]:
        from soundreel.engines.wan.image.job import open_session

        return open_session(plan, self.options, self.files, control, self.rates)
