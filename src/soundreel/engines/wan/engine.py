"""The wan engine: Wan 2.2 S2V in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from soundreel.config import Settings
from soundreel.engines.base import Session
from soundreel.engines.wan.options import WanOptions, parse_options
from soundreel.errors import EngineUnavailable, InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.types import Check, ChunkGeometry, Estimate, Plan, Request

if TYPE_CHECKING:
    import torch

    from soundreel.engines.wan.files.lookup import WeightSet
    from soundreel.engines.wan.memory.estimate import Target
    from soundreel.engines.wan.memory.fit import Fit, Precision
    from soundreel.engines.wan.memory.offload import OffloadLevel

FPS = Fraction(16)
DROPPED_FRAMES = 3
"""Pictures at the head of a shot that Wan's own code throws away (wan/speech2video.py)."""

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "ftfy")
_INSTALL = "pip install 'soundreel[wan]'"

MIN_SIDE = 64
"""Motion is packed in blocks of 8x8 latents."""


class WanEngine:
    name = "wan"
    interpolations: frozenset[str] = frozenset()
    Options = WanOptions

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def deterministic(self) -> bool:
        """On a CPU; a GPU's sums come in another order each time."""
        from soundreel.engines.wan.components import choose_device

        return choose_device().type == "cpu"

    def preflight(self, request: Request) -> None:
        from soundreel.engines.wan.files.selection import is_small

        options = self._checked(request)
        _require_packages()
        weights = self._weights(options)
        if self.deterministic and not is_small(weights):
            raise EngineUnavailable(
                "no GPU that torch can use: a 14B model would take days on the CPU",
                hint="install torch for your GPU, or choose the engine comfyui or preview",
            )

    def geometry(self, request: Request) -> ChunkGeometry:
        options = parse_options(request.options)
        dropped = 0 if options.init_first_frame else DROPPED_FRAMES
        official = options.reference_timing
        return ChunkGeometry(
            fps=FPS,
            chunk_frames=options.chunk_frames,
            grid=options.chunk_frames if official else 4,
            dropped_frames=dropped,
            lead_in_frames=0 if official else dropped,
            size_multiple=16,
        )

    def identity(self, request: Request) -> Mapping[str, str]:
        from soundreel.engines.wan.components import choose_device, default_dtype
        from soundreel.engines.wan.files.catalog import SLOTS
        from soundreel.engines.wan.files.lookup import fingerprint
        from soundreel.engines.wan.files.selection import find_loras

        options = parse_options(request.options)
        weights = self._weights(options)
        found = {slot.name: getattr(weights, slot.name, None) for slot in SLOTS}
        for index, (lora, _) in enumerate(find_loras(options, self._settings.models_dir)):
            found[f"lora {index + 1}"] = lora
        names = {
            name: f"{file.path.name} {fingerprint(file)}" for name, file in found.items() if file
        }
        device = choose_device()
        numbers = str(default_dtype(device)).removeprefix("torch.")
        libraries = {name: version(name) for name in ("torch", "diffusers", "transformers")}
        return {**names, **libraries, "computed": f"{numbers} on {device.type}"}

    def estimate(self, plan: Plan) -> Estimate:
        """For the card that `gpu` names or else for this machine's; without weights, for those
        that `soundreel models pull` fetches."""
        missing = _missing_packages()
        if missing:
            said = f"not known without {missing}: {_INSTALL}"
            return Estimate(source="unknown", details=(("time and memory", said),))
        from soundreel.engines.wan.files.lookup import find_weights
        from soundreel.engines.wan.files.selection import is_small
        from soundreel.engines.wan.memory import estimate
        from soundreel.engines.wan.memory.fit import Precision

        options = parse_options(plan.request.options)
        here = options.model is not None or not find_weights(self._settings.models_dir).missing
        weights = self._weights(options) if here else None
        target = self._target()
        if target is None:
            hint = f"there is none here that torch can use; name one: {mention(gpu='RTX 4090')}"
            return Estimate(source="unknown", details=(("card", hint),))
        if weights is not None and is_small(weights):
            return Estimate(source="unknown: not the 14B model")
        return estimate.predict(
            plan,
            target,
            precision=Precision() if weights is None else _precision(weights),
            level=None if options.offload == "auto" else options.offload,
            steps=options.sampling.steps,
            guided=options.sampling.guidance_scale > 1,
        )

    def _target(self) -> Target | None:
        """What is planned for; None where there is no GPU. Raises InputError for `gpu`."""
        from soundreel.engines.wan.components import choose_device
        from soundreel.engines.wan.memory import estimate

        if self._settings.gpu is not None:
            return estimate.target_named(self._settings.gpu)
        free = _free_memory()
        return None if free is None else estimate.target_here(_device_name(choose_device()), free)

    def diagnose(self) -> Sequence[Check]:
        missing = _missing_packages()
        if missing:
            return (Check("packages", False, missing, _INSTALL),)
        from soundreel.engines.wan.components import choose_device
        from soundreel.engines.wan.files.selection import weight_checks

        device = choose_device()
        gpu = Check(
            "GPU",
            device.type != "cpu",
            _device_name(device),
            "install torch for your GPU: https://pytorch.org/get-started",
        )
        return (Check("torch", True, version("torch")), gpu, *weight_checks(self._settings))

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[Session]:
        from soundreel.engines.wan.components import choose_device, default_dtype
        from soundreel.engines.wan.files.selection import find_loras
        from soundreel.engines.wan.load.lora import LoraSpec
        from soundreel.engines.wan.load.models import components
        from soundreel.engines.wan.memory.offload import Residence, free_memory
        from soundreel.engines.wan.session import WanSession

        options = self._checked(plan.request)
        weights = self._weights(options)
        loras = find_loras(options, self._settings.models_dir)
        device = choose_device()
        level, tiled = _way(plan, options, weights, control)
        residence = Residence(device, level)
        parts = components(
            weights,
            residence,
            dtype=default_dtype(device),
            loras=[LoraSpec(found.path, strength) for found, strength in loras],
            tiled=tiled,
            report=lambda text: control.emit(Notice(text)),
        )
        lower = residence.lower if options.offload == "auto" else lambda: None
        session = WanSession(plan, options, parts, lower=lower)
        try:
            with control.stage("encode text, sound and image"):
                session.prepare(control)
            yield session
        finally:
            del session, parts, residence
            free_memory()

    def _checked(self, request: Request) -> WanOptions:
        """The options. Raises InputError where they and the request do not go together."""
        options = parse_options(request.options)
        if min(request.width, request.height) < MIN_SIDE:
            raise InputError.about(
                {"width": request.width, "height": request.height},
                f"engine wan needs {MIN_SIDE} pixels or more on both sides",
                hint=f"try {mention(width=480, height=832)}",
            )
        if options.init_first_frame and request.image is None:
            raise InputError.about(
                {"options.init_first_frame": True},
                "it begins with the reference image, and there is none",
                hint=f"give one, {mention('image')}, or leave it out",
            )
        if options.pose_video is not None:
            from soundreel.video.reader import probe_video

            probe_video(options.pose_video)
        return options

    def _weights(self, options: WanOptions) -> WeightSet:
        """Raises EngineUnavailable or InputError where something is missing."""
        from soundreel.engines.wan.files.selection import find_loras, find_model

        weights = find_model(options, self._settings.models_dir)
        find_loras(options, self._settings.models_dir)
        return weights


def _missing_packages() -> str:
    """Looked for, not imported: that would take seconds."""
    return ", ".join(name for name in PACKAGES if find_spec(name) is None)


def _require_packages() -> None:
    missing = _missing_packages()
    if missing:
        raise EngineUnavailable(f"engine wan needs {missing}", hint=_INSTALL)


def _way(
    plan: Plan, options: WanOptions, weights: WeightSet, control: RunControl
) -> tuple[OffloadLevel, bool]:
    """Offload level and whether the VAE is tiled. Raises EngineUnavailable if nothing fits."""
    from soundreel.engines.wan.files.selection import is_small

    given = None if options.offload == "auto" else options.offload
    free = _free_memory()
    if free is None or is_small(weights):
        return given or "none", False
    way = _fit(plan, options, weights, free)
    if options.offload == "auto" and (way.level != "none" or way.tiled):
        tiles = ", VAE on tiles" if way.tiled else ""
        control.emit(Notice(f"offload: {way.level}{tiles}, to fit into free device memory"))
    return way.level, way.tiled


def _fit(plan: Plan, options: WanOptions, weights: WeightSet, free: int) -> Fit:
    from soundreel.engines.wan.memory.fit import require
    from soundreel.engines.wan.memory.needs import Workload

    request = plan.request
    workload = Workload(
        request.width,
        request.height,
        max(chunk.generated_frames for chunk in plan.chunks),
        reference=request.image is not None,
        motion=len(plan.chunks) > 1 or options.init_first_frame,
        guided=options.sampling.guidance_scale > 1,
    )
    level = None if options.offload == "auto" else options.offload
    return require(workload, _precision(weights), free, level)


def _precision(weights: WeightSet) -> Precision:
    from soundreel.engines.wan.memory.fit import Precision

    assert weights.transformer is not None
    assert weights.text_encoder is not None
    return Precision(weights.transformer.number_format, weights.text_encoder.number_format)


def _free_memory() -> int | None:
    """Free bytes of the device, None where it cannot be asked."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    if torch.backends.mps.is_available():
        return int(torch.mps.recommended_max_memory())
    return None


def _device_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return f"{torch.cuda.get_device_name(device)}, {memory / 2**30:.0f} GiB"
    return "none" if device.type == "cpu" else device.type
