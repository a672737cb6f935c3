"""Servers, clients and small graphs for the ComfyUI tests."""

from __future__ import annotations

import functools
import io
import threading
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.events import Event, Notice, RunControl

POLL_SECONDS = 0.05


@pytest.fixture
def server() -> Iterator[FakeComfyUI]:
    with FakeComfyUI() as fake:
        yield fake


@pytest.fixture
def client(server: FakeComfyUI) -> Iterator[ComfyClient]:
    with client_for(server) as made:
        yield made


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own clients ask as often as the tests' do."""
    quick = functools.partial(ComfyClient, poll_seconds=POLL_SECONDS)
    for module in ("engine", "image_engine"):
        monkeypatch.setattr(f"soundreel.engines.comfyui.{module}.ComfyClient", quick)


def client_for(server: FakeComfyUI, **options: Any) -> ComfyClient:
    return ComfyClient(parse_server(server.url), **{"poll_seconds": POLL_SECONDS, **options})


def once(happened: Callable[[], object], do: Callable[[], object]) -> None:
    """Do it in another thread when that has happened."""

    def wait() -> None:
        while not happened():
            time.sleep(0.01)
        do()

    threading.Thread(target=wait, daemon=True).start()


def side_by_side(try_at: Callable[[int], None], places: Iterable[int]) -> None:
    """Several at once, since most of the time they wait."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(try_at, places))


class Log:
    """A control that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.control = RunControl(self.events.append)

    @property
    def notices(self) -> str:
        return "\n".join(e.message for e in self.events if isinstance(e, Notice))


@pytest.fixture
def log() -> Log:
    return Log()


def wav_bytes(samples: np.ndarray, rate: int = 16000) -> bytes:
    """float samples (n,) in -1..1 as a 16-bit mono WAV file."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return target.getvalue()


def sweep(seconds: float, rate: int = 16000) -> np.ndarray:
    """A tone that rises by 128 Hz a second: its pitch tells the time."""
    at = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 + 64 * at) * at)


def png_bytes(size: int = 64, grey: int = 128) -> bytes:
    return bytes(cv2.imencode(".png", np.full((size, size, 3), grey, np.uint8))[1])


def decode_png(data: bytes) -> np.ndarray:
    """(H, W, 3) RGB."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture)[..., ::-1]


def short_graph(audio: str, *, length: int = 9, steps: int = 2, seed: int = 1) -> dict[str, Any]:
    """An S2V graph of one short chunk whose pictures come from node 10."""
    encoder = "wav2vec2_large_english_fp16.safetensors"

    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    return {
        "1": node("LoadAudio", audio=audio),
        "2": node("AudioEncoderLoader", audio_encoder_name=encoder),
        "3": node("AudioEncoderEncode", audio_encoder=["2", 0], audio=["1", 0]),
        "4": node("CLIPLoader", clip_name="umt5_xxl_fp8_e4m3fn_scaled.safetensors", type="wan"),
        "5": node("CLIPTextEncode", text="a singer", clip=["4", 0]),
        "6": node("VAELoader", vae_name="wan_2.1_vae.safetensors"),
        "7": node(
            "WanSoundImageToVideo",
            positive=["5", 0],
            negative=["5", 0],
            vae=["6", 0],
            width=64,
            height=64,
            length=length,
            batch_size=1,
            audio_encoder_output=["3", 0],
        ),
        "11": node(
            "UNETLoader", unet_name="wan2.2_s2v_14B_fp8_scaled.safetensors", weight_dtype="default"
        ),
        "8": node(
            "KSampler",
            model=["11", 0],
            seed=seed,
            steps=steps,
            cfg=1.0,
            sampler_name="uni_pc",
            scheduler="simple",
            positive=["7", 0],
            negative=["7", 1],
            latent_image=["7", 2],
            denoise=1.0,
        ),
        "9": node("VAEDecode", samples=["8", 0], vae=["6", 0]),
        "10": node("PreviewImage", images=["9", 0]),
    }
