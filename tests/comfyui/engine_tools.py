"""Shared by the engine's tests: a melody that tells where in it one is, short ways to render."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from comfyui.fake.server import FakeComfyUI
from media_factory import write_audio
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.base import Session
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Frame, Plan, Request

RATE = 16000
BUCKET = RATE // 16
SIZE = 64


def pitches(count: int, seed: int = 1) -> np.ndarray:
    """A tone number (in steps of 32 Hz) for each 1/16 s; neighbours differ by far."""
    numbers = np.random.default_rng(seed).integers(12, 100, count)
    numbers[1::2] += 100
    return numbers


def melody(numbers: np.ndarray) -> np.ndarray:
    """(1, n) at 16 kHz: each tone lasts exactly one bucket."""
    turns = np.repeat(numbers * 32.0, BUCKET).cumsum() / RATE
    return (0.5 * np.sin(2 * np.pi * turns)).astype(np.float32)[None]


def write_melody(path: Path, numbers: np.ndarray, *, lead_samples: int = 0) -> Path:
    sound = np.concatenate([np.zeros((1, lead_samples), np.float32), melody(numbers)], axis=1)
    return write_audio(path, sound, rate=RATE)


def make_plan(server: FakeComfyUI | str, audio: Path, **changes: object) -> Plan:
    values: dict[str, object] = {
        "audio": audio, "engine": "comfyui", "width": SIZE, "height": SIZE, "seed": 5,
    }  # fmt: skip
    request = Request(**{**values, **changes})  # type: ignore[arg-type]
    return plan_request(request, probe(audio), make_engine(server), RunControl())


def make_engine(server: FakeComfyUI | str) -> ComfyUIEngine:
    return ComfyUIEngine(Settings(url=server if isinstance(server, str) else server.url))


@contextmanager
def opened(server: FakeComfyUI, plan: Plan, control: RunControl | None = None) -> Iterator[Session]:
    with make_engine(server).find(plan.request).open(plan, control or RunControl()) as session:
        yield session


def render(server: FakeComfyUI, plan: Plan, control: RunControl | None = None) -> list[list[Frame]]:
    """The frames of every chunk."""
    control = control or RunControl()
    with opened(server, plan, control) as session:
        return [list(session.render(chunk, control)) for chunk in plan.chunks]


def flat(chunks: Sequence[Sequence[Frame]]) -> list[Frame]:
    return [frame for chunk in chunks for frame in chunk]


def digest(frames: Sequence[Frame]) -> str:
    """SHA-256 over all pictures."""
    total = hashlib.sha256()
    for frame in frames:
        total.update(frame.rgb.tobytes())
    return total.hexdigest()


def listening() -> tuple[RunControl, list[Event]]:
    events: list[Event] = []
    return RunControl(events.append), events


def notices(events: Sequence[Event]) -> str:
    return "\n".join(event.message for event in events if isinstance(event, Notice))
