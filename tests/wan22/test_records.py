"""A video is made again from its record with the sampling that made it, whatever presets became.

tests/data/records_0_1_0 was written by soundreel 0.1.0: `wan` on the tests' tiny model, `comfyui`
on their fake server.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyui.engine_tools import make_engine
from comfyui.fake.server import FakeComfyUI
from soundreel.cli.app import run
from soundreel.engines.comfyui.options import ComfyUIOptions, read_options
from soundreel.engines.wan.options import WanOptions, parse_options
from soundreel.engines.wan22 import Lora, Sampling
from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.finished.replay import replay_request
from soundreel.registry import fit_options
from soundreel.types import Request

OLD = Path(__file__).parents[1] / "data" / "records_0_1_0"
FEW = "wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors"
PRESETS = {
    # as 0.1.0 had them
    "wan_default": Sampling(40, 4.5, 3.0, "unipc"),
    "wan_fast": Sampling(4, 1.0, 5.0, "euler", (Lora(FEW),)),
    "wan_quality": Sampling(3, 6.0, 8.0, "unipc", (Lora(FEW, 0.5),)),
    "comfyui_default": Sampling(4, 1.0, 8.0, "unipc", (Lora(FEW),)),
    "comfyui_quality": Sampling(20, 6.0, 8.0, "unipc"),
    "comfyui_changed": Sampling(4, 1.0, 5.0, "unipc"),
}


def replay(path: Path, **options: object) -> Request:
    request = replay_request(path, OLD / "sound.wav", None, options)
    changed = Request(
        audio=request.audio, engine=request.engine, options={**request.options, **options}
    )
    return fit_options(changed, RunControl())


def sidecar(video: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(video.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def sampling(request: Request) -> Sampling:
    read = parse_options(request.options) if request.engine == "wan" else read_options(request)
    return read.sampling


@pytest.mark.parametrize(
    "name", [*(f"{name}.json" for name in PRESETS), "wan_default.mp4", "comfyui_default.mp4"]
)
def test_a_record_of_0_1_0_is_sampled_as_its_engine_did_then(name: str) -> None:
    assert sampling(replay(OLD / name)) == PRESETS[name.partition(".")[0]]


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("comfyui")])
def test_a_server_gets_the_very_graph_that_0_1_0_sent(name: str) -> None:
    recorded = sidecar(OLD / name)["engine"]["graph"]
    with FakeComfyUI() as server:
        assert make_engine(server).find(replay(OLD / f"{name}.json")).identity["graph"] == recorded


def test_another_preset_over_an_old_record_brings_all_its_own_values() -> None:
    over = replay(OLD / "comfyui_default.json", sampling_preset="official")
    assert sampling(over) == ComfyUIOptions(sampling_preset="official").sampling
    steps = replay(OLD / "comfyui_default.json", steps=6)
    assert sampling(steps) == Sampling(6, 1.0, 8.0, "unipc", (Lora(FEW),))


def test_the_command_line_makes_an_old_video_again_or_changes_it(tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    words = ["--from", str(OLD / "comfyui_default.mp4"), "-o", str(made), "--overwrite", "--quiet"]
    with FakeComfyUI() as server:
        words += ["--url", server.url, "--work-dir", str(tmp_path / "work")]
        assert run(["generate", *words]) == 0
        again = sidecar(made)
        assert run(["generate", *words, "--sampling-preset", "official"]) == 0
        other = sidecar(made)
    assert again["engine"]["graph"] == sidecar(OLD / "comfyui_default")["engine"]["graph"]
    assert json.loads(again["engine"]["sampling"]) | {"sampling_preset": "fast"} == {
        "sampling_preset": "fast",
        "steps": 4,
        "guidance_scale": 1.0,
        "flow_shift": 8.0,
        "sampler": "unipc",
        "lora": [f"{FEW}:1.0"],
        "scheduler": "simple",
    }
    official = ComfyUIOptions(sampling_preset="official")
    assert json.loads(other["engine"]["sampling"]) == official.resolved()


@pytest.mark.parametrize("model", [WanOptions, ComfyUIOptions])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_preset": "quality", "steps": 3},
        {"lora": ("none",), "sampler": "unipc"},
        {"lora": ("mine.safetensors:0.123456789",), "flow_shift": 7.3},
    ],
    ids=str,
)
def test_a_new_record_is_replayed_as_it_stands(
    model: type[WanOptions | ComfyUIOptions], options: dict[str, object]
) -> None:
    recorded = model(**options).recorded()  # type: ignore[arg-type]
    assert model.recall(options, {"sampling": recorded}, ()) == options


def test_a_place_of_a_lora_stays_out_of_the_record() -> None:
    options = WanOptions(lora=("/models/loras/mine.safetensors:0.5", "loras/b.safetensors"))
    assert options.resolved()["lora"] == ["mine.safetensors:0.5", "loras/b.safetensors:1.0"]


@pytest.mark.parametrize("model", [WanOptions, ComfyUIOptions])
def test_what_presets_become_later_does_not_touch_a_record(
    model: type[WanOptions | ComfyUIOptions],
) -> None:
    """A record whose `fast` was another one than today's."""
    then = {**model().resolved(), "steps": 6, "flow_shift": 7.0, "lora": ["none"]}
    again = model(**model.recall({}, {"sampling": json.dumps(then)}, ()))  # type: ignore[arg-type]
    assert again.sampling == Sampling(6, 1.0, 7.0, "euler")
    assert again.resolved() == then


def test_a_workflow_keeps_its_own_values() -> None:
    options = {"workflow": Path("mine.json"), "steps": 6}
    assert ComfyUIOptions.recall(options, {"name": "comfyui"}, ()) == options


def test_a_record_with_a_damaged_sampling_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be used"):
        WanOptions.recall({}, {"sampling": "fast"}, ())
