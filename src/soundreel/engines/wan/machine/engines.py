"""What the engines of both Wan models share: what they ask of this machine. No torch here: behind
`memory.device` lies what that says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.wan.files.lookup import Found, scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.machine.allocator import use_expandable_segments
from soundreel.engines.wan.machine.packages import (
    kernel_identity,
    library_versions,
    missing_packages,
)
from soundreel.engines.wan.memory.main_memory import memory_check, total_memory
from soundreel.engines.wan.memory.rates import FILE_NAME
from soundreel.errors import EngineUnavailable, mention
from soundreel.installation import install_command
from soundreel.media.marks import TRAINED
from soundreel.types import Check, Estimate, Request


class WanBase:
    """Of an engine; which model it runs is said by who inherits it."""

    name = "wan"
    interpolations: frozenset[str] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def source_type(self, request: Request) -> str:  # noqa: ARG002
        return TRAINED

    def diagnose(self) -> Sequence[Check]:
        missing = missing_packages()
        if missing:
            return (Check("packages", False, missing, install_command("wan")),)
        from soundreel.engines.wan.memory.device import gpu_check

        torch, memory = Check("torch", True, version("torch")), memory_check(total_memory())
        return (torch, gpu_check(), memory, *self._weight_checks(self._settings.models_dir))

    def _weight_checks(self, models_dir: Sequence[Path]) -> Sequence[Check]:
        raise NotImplementedError

    def _no_estimate(self) -> Estimate | None:
        """Why this machine's card cannot be asked; None where it can, or need not."""
        missing = missing_packages() if self._settings.gpu is None else ""
        if not missing:
            return None
        said = f"not known without {missing}: {install_command('wan')}"
        said += f"; or name one: {mention(gpu='RTX 4090')}"
        return Estimate(source="unknown", details=(("card", said),))

    @property
    def _rates(self) -> Path:
        return self._settings.work_dir / FILE_NAME

    def _found(self) -> tuple[Found, ...]:
        return tuple(scan(places(self._settings.models_dir)))


def computed_here(*, is_small: bool) -> str:
    """In which numbers, on what, as the record says it. is_small: the model is one for tests.
    Raises EngineUnavailable where that would take days."""
    use_expandable_segments()
    from soundreel.engines.wan.memory.device import default_dtype
    from soundreel.post.networks.device import choose_device

    device = choose_device()
    if device.type == "cpu" and not is_small:
        raise EngineUnavailable(
            "no GPU that torch can use: a 14B model would take days on the CPU",
            hint="install torch for your GPU, or choose the engine comfyui or preview",
        )
    numbers = str(default_dtype(device)).removeprefix("torch.")
    return f"{numbers} on {device.type}"


def identity_of(
    files: Mapping[str, str], attention: str, computed: str, sampling: str
) -> dict[str, str]:
    """What made a video, for the record. files: names; computed: see `computed_here`; sampling:
    the recorded options."""
    libraries, kernel = library_versions(), kernel_identity(attention)
    if kernel:
        libraries["attention"] = kernel
    return {**files, **libraries, "computed": computed, "sampling": sampling}
