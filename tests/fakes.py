"""A small engine that behaves: its pictures depend on the sound and on everything made before."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from soundreel import registry
from soundreel.audio.segment import read_clip
from soundreel.config import Settings
from soundreel.engines.base import shot_options
from soundreel.errors import EngineError, EngineUnavailable
from soundreel.events import ChunkSealed, Event, FrameDone, RunControl, StepDone
from soundreel.post.picture import given_picture
from soundreel.types import (
    Check,
    Chunk,
    ChunkGeometry,
    Estimate,
    Frame,
    ImageRequest,
    Plan,
    Request,
    Rgb,
)

STEPS = 3
START = b"start\0"


class FakeOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    PER_SHOT: ClassVar[frozenset[str]] = frozenset({"steps"})

    steps: int = Field(STEPS, description="Sampling steps that it pretends to take.")


class FakeEngine:
    """Geometry like Wan's, shorter chunks; picture i shows the loudness of its own sound."""

    name = "fake"
    interpolations: frozenset[str] = frozenset()
    Options = FakeOptions
    available = True
    draws_overlay = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def geometry(self, request: Request) -> ChunkGeometry:
        return ChunkGeometry(Fraction(16), 20, grid=4, dropped_frames=3, lead_in_frames=3)

    def find(self, request: Request) -> FakeReady:
        if not self.available:
            raise EngineUnavailable("the fake engine is away")
        return FakeReady()

    def estimate(self, plan: Plan) -> Estimate:
        return Estimate(0.001 * plan.num_frames, 1 << 20, "predicted")

    def diagnose(self) -> Sequence[Check]:
        return [Check("fake", ok=self.available, found="always here")]


class FakeImageEngine(FakeEngine):
    """Geometry like that of Wan's image-to-video, shorter chunks."""

    def geometry(self, request: Request) -> ChunkGeometry:
        return ChunkGeometry(Fraction(16), 20, grid=4, head_frames=1, even_passes=True)

    def find(self, request: Request) -> FakeReady:
        super().find(request)
        return FakeImageReady()


class FakeReady:
    identity: Mapping[str, str] = {"model": "fake 1"}

    def estimate(self, plan: Plan) -> Estimate:
        return Estimate(0.001 * plan.num_frames, 1 << 20, "predicted")

    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[FakeSession]:
        yield FakeSession(plan)


class FakeImageReady(FakeReady):
    @contextmanager
    def open(self, plan: Plan, control: RunControl) -> Iterator[FakeSession]:
        yield FakeImageSession(plan)


ORANGE = (255, 120, 20)


def disc(level: int, size: tuple[int, int]) -> Rgb:
    """Of an overlay: an orange disc, nearly opaque, the larger the louder, with a soft halo, on
    nothing. Premultiplied."""
    width, height = size
    y, x = np.ogrid[:height, :width]
    beyond = np.hypot(x - width / 2, y - height / 2) - (0.15 + level / 1000) * min(size)
    opacity = np.maximum(0.95 * np.clip(-beyond, 0, 1), 0.5 - np.abs(beyond) * 5 / min(size))
    straight = np.array([*ORANGE, 255]) * np.clip(opacity, 0, 1)[..., None]
    return np.rint(straight).astype(np.uint8)


class FakeSession:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.carry = START
        self.options = FakeOptions.model_validate(dict(plan.request.options))

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        if chunk.first_slot == 0:
            self.carry = START
        if os.environ.get("FAKE_FAILS"):
            raise EngineError("the fake engine broke", hint="mend it")
        steps = shot_options(FakeOptions, self.plan, self.plan.shot(chunk), self.options).steps
        for step in range(1, steps + 1):
            control.raise_if_cancelled()
            control.emit(StepDone(chunk.index, step, steps))
        sound = self._loudness(chunk)
        kept = chunk.num_frames + chunk.lookahead_frames
        for slot in range(chunk.dropped_frames, chunk.dropped_frames + kept):
            control.raise_if_cancelled()
            index = chunk.start_frame + slot - chunk.dropped_frames
            self._die_at(index)
            yield Frame(index, self._picture(sound[slot], chunk))

    def _loudness(self, chunk: Chunk) -> np.ndarray:
        """Peak of every generated slot's own sound: slot s hears the frame that starts s frames
        after the chunk's sound."""
        fps, rate = self.plan.fps, 16000
        start = self.plan.sound_start(chunk)
        samples = read_clip(
            self.plan.audio, start, chunk.generated_frames / fps, rate=rate, mono=True
        )[0]
        return np.abs(samples).reshape(chunk.generated_frames, -1).max(axis=1)

    def _picture(self, loudness: float, chunk: Chunk) -> np.ndarray:
        """Bright where it is loud, fading; the last rows are a code of everything made so far."""
        shot = self.plan.shot(chunk)
        told = (
            f"{chunk.seed} {chunk.prompt} {shot.negative_prompt} {shot.image and shot.image.name}"
        )
        fade = self.carry[-1] // 2
        level = max(min(255, round(float(loudness) * 255)), fade)
        self.carry = hashlib.sha256(self.carry + told.encode() + bytes([level])).digest() + bytes(
            [level]
        )
        height, width = self.plan.request.height, self.plan.request.width
        if self.plan.channels == 4:
            picture = disc(level, (width, height))
        else:
            picture = np.full((height, width, 3), level, np.uint8)
        picture[-height // 8 :] = self.carry[0]
        return picture

    def _die_at(self, index: int) -> None:
        """For tests that end the process: FAKE_KILL_AT names a frame, FAKE_SLOW seconds a frame."""
        if os.environ.get("FAKE_KILL_AT") == str(index):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get("FAKE_SLOW", "0")))

    def snapshot(self) -> bytes:
        return self.carry

    def restore(self, state: bytes) -> None:
        self.carry = state


class FakeImageSession(FakeSession):
    """A pass fades from the picture that it begins with towards black, or the one that it shall end
    with."""

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        request, told = self.plan.request, f"{chunk.seed} {chunk.prompt}"
        assert isinstance(request, ImageRequest)
        begin: Rgb
        shape = (request.height, request.width, 3)
        end: Rgb = np.full(shape, hashlib.sha256(told.encode()).digest()[0] // 8, np.uint8)
        first, ends = chunk.first_slot == 0, self.plan.following(chunk) is None
        if ends and request.last_picture is not None:
            end = given_picture(request.last_picture, request)
        if first and request.first_picture is None:
            begin = 255 - end
        elif first:
            assert request.first_picture is not None
            begin = given_picture(request.first_picture, request)
        else:
            begin = np.frombuffer(self.carry, np.uint8).reshape(shape)
        for step in range(1, self.options.steps + 1):
            control.raise_if_cancelled()
            control.emit(StepDone(chunk.index, step, self.options.steps))
        skipped = 0 if first else 1  # the picture that the chunk before it ended with
        for number in range(skipped, skipped + chunk.num_frames + chunk.lookahead_frames):
            control.raise_if_cancelled()
            share = number / chunk.generated_frames
            picture = np.rint(begin * (1 - share) + end * share).astype(np.uint8)
            index = chunk.start_frame + number - skipped
            self._die_at(index)
            if index < chunk.end_frame:
                self.carry = picture.tobytes()
            yield Frame(index, picture)


def register() -> None:
    """Make `--engine fake` known to this process."""
    registry._BUILT_IN["image"]["fake"] = ("fakes:FakeImageEngine", "fakes:FakeOptions")  # type: ignore[index]
    registry._BUILT_IN["sound"]["fake"] = ("fakes:FakeEngine", "fakes:FakeOptions")  # type: ignore[index]


def frames_of(path: Path) -> list[np.ndarray]:
    from soundreel.video.reader import read_frames

    return list(read_frames(path))


def cancel_after(frames: int) -> RunControl:
    """A control that cancels as soon as so many pictures are done."""
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= frames:
            control.cancel()

    control.on_event = watch
    return control


def cancel_when_sealed() -> RunControl:
    """A control that cancels as soon as a part is sealed, whoever made it."""
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, ChunkSealed):
            control.cancel()

    control.on_event = watch
    return control


def sidecar_of(path: Path) -> dict[str, object]:
    return dict(json.loads(path.with_suffix(".json").read_text()))
