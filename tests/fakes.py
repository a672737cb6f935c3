"""A small engine that behaves: its pictures depend on the sound and on everything made before."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from soundreel import registry
from soundreel.audio.segment import read_clip
from soundreel.config import Settings
from soundreel.errors import EngineUnavailable
from soundreel.events import RunControl, StepDone
from soundreel.types import Check, Chunk, ChunkGeometry, Estimate, Frame, Plan, Request

STEPS = 3


class FakeOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kill_at: int | None = Field(None, description="Frame before which the process kills itself.")


class FakeEngine:
    """Geometry like Wan's, shorter chunks; picture i shows the loudness of its own sound."""

    name = "fake"
    deterministic = True
    interpolations: frozenset[str] = frozenset()
    Options = FakeOptions
    available = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def preflight(self, request: Request) -> None:
        if not self.available:
            raise EngineUnavailable("the fake engine is away")

    def geometry(self, request: Request) -> ChunkGeometry:
        return ChunkGeometry(Fraction(16), 20, grid=4, dropped_frames=3, lead_in_frames=3)

    def identity(self, request: Request) -> Mapping[str, str]:
        return {"model": "fake 1"}

    def estimate(self, plan: Plan) -> Estimate:
        return Estimate(0.001 * plan.num_frames, 1 << 20, "predicted")

    def diagnose(self) -> Sequence[Check]:
        return [Check("fake", ok=self.available, found="always here")]

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[FakeSession]:
        yield FakeSession(plan)


class FakeSession:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.carry = b"start"
        self.options = FakeOptions.model_validate(dict(plan.request.options))

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        if chunk.first_slot == 0:
            self.carry = b"start"
        for step in range(1, STEPS + 1):
            control.raise_if_cancelled()
            control.emit(StepDone(chunk.index, step, STEPS))
        sound = self._loudness(chunk)
        kept = chunk.num_frames + chunk.lookahead_frames
        for slot in range(chunk.dropped_frames, chunk.dropped_frames + kept):
            control.raise_if_cancelled()
            index = chunk.start_frame + slot - chunk.dropped_frames
            self._die_at(index)
            yield Frame(index, self._picture(sound[slot]))

    def _loudness(self, chunk: Chunk) -> np.ndarray:
        """Peak of every generated slot's own sound: slot s hears [s, s + 1) frames after
        the chunk's sound start, moved by the lead-in."""
        fps, rate = self.plan.fps, 16000
        start = self.plan.sound_start(chunk) + (
            (self.plan.geometry.lead_in_frames - chunk.dropped_frames_before(self.plan)) / fps
        )
        samples = read_clip(
            self.plan.audio, start, chunk.generated_frames / fps, rate=rate, mono=True
        )[0]
        return np.abs(samples).reshape(chunk.generated_frames, -1).max(axis=1)

    def _picture(self, loudness: float) -> np.ndarray:
        """Upper half: the loudness; lower half: a code of everything made so far."""
        seed = self.plan.request.seed.to_bytes(8, "big")
        self.carry = hashlib.sha256(self.carry + seed + np.float32(loudness).tobytes()).digest()
        height, width = self.plan.request.height, self.plan.request.width
        picture = np.full((height, width, 3), min(255, round(float(loudness) * 255)), np.uint8)
        picture[height // 2 :] = self.carry[0]
        return picture

    def _die_at(self, index: int) -> None:
        if self.options.kill_at == index and not os.environ.get("FAKE_LIVES"):
            os.kill(os.getpid(), signal.SIGKILL)

    def snapshot(self) -> bytes:
        return self.carry

    def restore(self, state: bytes) -> None:
        self.carry = state


def register() -> None:
    """Make `--engine fake` known to this process."""
    registry._BUILT_IN["fake"] = ("fakes:FakeEngine", "fakes:FakeOptions")  # type: ignore[index]


def frames_of(path: Path) -> list[np.ndarray]:
    from soundreel.video.reader import read_frames

    return list(read_frames(path))


def sidecar_of(path: Path) -> dict[str, object]:
    return dict(json.loads(path.with_suffix(".json").read_text()))
