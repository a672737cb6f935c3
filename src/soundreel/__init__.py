"""Sound in, synchronised video out.

from soundreel import Request, generate

result = generate(Request(audio="song.mp3", image="portrait.png", duration=10))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundreel.api import generate as generate
    from soundreel.api import plan as plan
    from soundreel.config import Settings as Settings
    from soundreel.config import load_settings as load_settings
    from soundreel.errors import Cancelled as Cancelled
    from soundreel.errors import EngineError as EngineError
    from soundreel.errors import EngineUnavailable as EngineUnavailable
    from soundreel.errors import InputError as InputError
    from soundreel.errors import OutOfMemory as OutOfMemory
    from soundreel.errors import RemoteError as RemoteError
    from soundreel.errors import SoundreelError as SoundreelError
    from soundreel.errors import WorkError as WorkError
    from soundreel.events import ChunkSealed as ChunkSealed
    from soundreel.events import ChunkStarted as ChunkStarted
    from soundreel.events import Event as Event
    from soundreel.events import FrameChecked as FrameChecked
    from soundreel.events import FrameDone as FrameDone
    from soundreel.events import FrameJoined as FrameJoined
    from soundreel.events import NodeProgress as NodeProgress
    from soundreel.events import Notice as Notice
    from soundreel.events import RunControl as RunControl
    from soundreel.events import SamplingProgress as SamplingProgress
    from soundreel.events import SoundRead as SoundRead
    from soundreel.events import StageFinished as StageFinished
    from soundreel.events import StageStarted as StageStarted
    from soundreel.events import StepDone as StepDone
    from soundreel.events import StepPreview as StepPreview
    from soundreel.finished.inspection import FileFacts as FileFacts
    from soundreel.finished.inspection import probe as probe
    from soundreel.framerate.run import interpolate as interpolate
    from soundreel.installation import __version__ as __version__
    from soundreel.progress.reporters import progress_bar as progress_bar
    from soundreel.proof.check import Proof as Proof
    from soundreel.proof.check import check as check
    from soundreel.types import Encoding as Encoding
    from soundreel.types import Estimate as Estimate
    from soundreel.types import ImageRequest as ImageRequest
    from soundreel.types import Interpolated as Interpolated
    from soundreel.types import Plan as Plan
    from soundreel.types import Request as Request
    from soundreel.types import Result as Result
    from soundreel.types import for_platform as for_platform

_HOMES = {
    "api": ("generate", "plan"),
    "config": ("Settings", "load_settings"),
    "errors": (
        *("Cancelled", "EngineError", "EngineUnavailable", "InputError", "OutOfMemory"),
        *("RemoteError", "SoundreelError", "WorkError"),
    ),
    "events": (
        *("ChunkSealed", "ChunkStarted", "Event", "FrameChecked", "FrameDone"),
        *("FrameJoined", "NodeProgress", "Notice"),
        *("RunControl", "SamplingProgress", "SoundRead", "StageFinished", "StageStarted"),
        *("StepDone", "StepPreview"),
    ),
    "finished.inspection": ("FileFacts", "probe"),
    "framerate.run": ("interpolate",),
    "progress.reporters": ("progress_bar",),
    "proof.check": ("Proof", "check"),
    "types": (
        *("Encoding", "Estimate", "ImageRequest", "Interpolated", "Plan", "Request", "Result"),
        "for_platform",
    ),
    "installation": ("__version__",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import soundreel` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'soundreel' has no attribute {name!r}")
    return getattr(import_module(f"soundreel.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """What a notebook completes."""
    return __all__
