"""A whole job on 8-bit weights with a LoRA, at every offload level."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from soundreel import api
from soundreel.config import Settings
from soundreel.engines.wan.load.mapped import read_state
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Request
from wan.model_folder import make_model_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, its two big parts as an fp8_scaled writer leaves them, and a LoRA."""
    folder = make_model_folder(tmp_path_factory.mktemp("eight"))
    for name in ("transformer", "text_encoder"):
        (path,) = (folder / name).glob("*.safetensors")
        save_file(_scaled(read_state([path])), path)
    layer = "diffusion_model.blocks.1.ffn.0"
    parts = {"lora_down.weight": torch.randn(2, 48), "lora_up.weight": torch.randn(64, 2)}
    save_file({f"{layer}.{part}": t for part, t in parts.items()}, folder / "style.safetensors")
    return folder


def _scaled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out = {}
    for name, tensor in state.items():
        out[name] = tensor.clone()
        table = "relative_attention_bias" in name or "embed" in name or "shared" in name
        if tensor.dim() == 2 and name.endswith(".weight") and not (table or "mask" in name):
            scale = tensor.abs().max() / 448
            out[name] = (tensor / scale).to(torch.float8_e4m3fn)
            out[name.replace(".weight", ".scale_weight")] = scale
    return out


def make(tone: Path, models: Path, settings: Settings, output: Path, level: str) -> list[Event]:
    events: list[Event] = []
    options = {"steps": 1, "guidance_scale": 1.0, "chunk_frames": 8, "offload": level}
    request = Request(
        audio=tone,
        engine="wan",
        width=64,
        height=64,
        num_frames=10,
        seed=1,
        output=output,
        options=options | {"lora": (f"{models / 'style.safetensors'}:0.5",)},
    )
    here = settings.model_copy(update={"models_dir": (models,)})
    api.generate(request, here, control=RunControl(events.append))
    return events


def test_every_level_gives_the_same_video(
    tone: Path, models: Path, settings: Settings, tmp_path: Path
) -> None:
    files = {level: tmp_path / f"{level}.mp4" for level in ("none", "model", "block")}
    for level, output in files.items():
        events = make(tone, models, settings, output, level)
        notices = [event.message for event in events if isinstance(event, Notice)]
        assert "LoRA style.safetensors: 1 layers changed" in notices
    pictures = {level: _pictures(path) for level, path in files.items()}
    assert pictures["none"] == pictures["model"] == pictures["block"]
    assert len(pictures["none"]) == 10


def _pictures(path: Path) -> list[bytes]:
    from soundreel.video.reader import read_frames

    return [rgb.tobytes() for rgb in read_frames(path)]
