"""The wan engine at its edges: options, checks before the work, what identifies its pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundreel.api import generate
from soundreel.config import Settings
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.files import lookup
from soundreel.engines.wan.files.lookup import scan
from soundreel.engines.wan.files.places import places
from soundreel.engines.wan.files.selection import select
from soundreel.engines.wan.machine import allocator, packages
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan22 import FEW_STEP_LORA, PRESETS, Lora, Sampling
from soundreel.errors import EngineUnavailable, InputError
from soundreel.types import Request
from wan import tiny as wan_tiny
from wan.model_folder import make_model_folder

OFFICIAL = {"sampling_preset": "official"}
FEW_STEPS = (Lora(FEW_STEP_LORA.name),)


def settings_with(settings: Settings, *folders: Path) -> Settings:
    return settings.model_copy(update={"models_dir": folders})


@pytest.fixture
def engine(settings: Settings) -> WanEngine:
    return WanEngine(settings_with(settings, wan_tiny.model_folder()))


def request_for(options: dict[str, Any] | None = None, **changes: Any) -> Request:
    values = {"audio": Path("a.wav"), "engine": "wan", "width": 64, "height": 96}
    return Request(**{**values, "options": options or {}, **changes})


@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        ({}, PRESETS["fast"]),
        ({"sampling_preset": "quality"}, Sampling(20, 6.0, 8.0, "unipc")),
        ({"steps": 6}, Sampling(6, 1.0, 5.0, "euler", FEW_STEPS)),
        ({"lora": ("none",), "sampler": "dpmpp"}, Sampling(4, 1.0, 5.0, "dpm++")),
        ({**OFFICIAL, "sampler": "uni_pc", "flow_shift": 5}, Sampling(40, 4.5, 5.0, "unipc")),
        ({**OFFICIAL, "steps": None, "guidance_scale": 0}, Sampling(40, 0.0, 3.0, "unipc")),
        (
            {**OFFICIAL, "lora": ("a.safetensors:0.5",)},
            Sampling(40, 4.5, 3.0, "unipc", (Lora("a.safetensors", 0.5),)),
        ),
    ],
)
def test_given_values_go_over_the_preset(options: dict[str, Any], sampling: Sampling) -> None:
    assert parse_options(options).sampling == sampling


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"steps": 0}, "`steps="),
        ({"sampler": "heun"}, "`sampler="),
        ({"chunk_frames": 82}, "`chunk_frames="),
        ({"flow_shift": 0}, "`flow_shift="),
        ({"offload": "disk"}, "`offload="),
        ({"workflow": "x"}, "`workflow="),
    ],
)
def test_a_wrong_option_is_named_with_its_value(options: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_options(options)
    assert raised.value.message.startswith(name)
    assert str(next(iter(options.values()))) in raised.value.message


def test_geometry_is_wans_and_its_lead_in_what_is_dropped(engine: WanEngine) -> None:
    plain = engine.geometry(request_for())
    assert (plain.chunk_frames, plain.grid, plain.size_multiple) == (80, 4, 16)
    assert plain.fps == 16
    assert plain.dropped_frames == plain.lead_in_frames == 3
    first = engine.geometry(request_for({"init_first_frame": True}))
    assert first.dropped_frames == first.lead_in_frames == 0
    official = engine.geometry(request_for({"reference_timing": True, "chunk_frames": 48}))
    assert (official.chunk_frames, official.grid) == (48, 48), "whole chunks only"
    assert (official.dropped_frames, official.lead_in_frames) == (3, 0)
    assert official.fps == Fraction(16)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 48}, "64 pixels"),
        ({"options": {"init_first_frame": True}}, "`image=`"),
        ({"options": {"pose_video": Path("none.mp4")}}, "none.mp4"),
        ({"options": {"lora": ("none.safetensors:0.5",)}}, "none.safetensors"),
        ({"options": {"model": "none.safetensors"}}, "none.safetensors"),
    ],
)
def test_what_cannot_work_is_said_before_the_work(
    engine: WanEngine, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as raised:
        engine.find(request_for(**changes))
    assert words in raised.value.message + raised.value.hint
    assert raised.value.hint


def test_machine_without_weights_is_told_so_without_importing_torch(tmp_path: Path) -> None:
    """`--engine auto` asks on every machine: seconds of import would be felt."""
    code = (
        "import sys; from pathlib import Path\n"
        "from soundreel.config import Settings\n"
        "from soundreel.engines.wan.engine import WanEngine\n"
        "from soundreel.errors import EngineUnavailable\n"
        "from soundreel.types import Request\n"
        "try: WanEngine(Settings()).find(Request(audio=Path('a.wav')))\n"
        "except EngineUnavailable as err: print(err.message, 'torch' in sys.modules)\n"
    )
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=home, capture_output=True, text=True, check=True
    )
    assert "transformer" in run.stdout
    assert run.stdout.strip().endswith("False")


def test_missing_packages_are_named(engine: WanEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", {"torch": "2.13", "no_such_package": "1"})
    with pytest.raises(EngineUnavailable, match="no_such_package"):
        engine.find(request_for())


@pytest.mark.parametrize(
    ("here", "old"),
    [("0.36.0", True), ("0.42", False), ("0.42.1+cu130", False), ("0.41.9", True), ("1.0", False)],
)
def test_packages_that_are_too_old_are_refused(
    engine: WanEngine, monkeypatch: pytest.MonkeyPatch, here: str, old: bool
) -> None:
    monkeypatch.setattr(packages, "PACKAGES", {"diffusers": "0.42"})
    monkeypatch.setattr(packages, "version", lambda _: here)
    fault = packages.missing_packages()
    assert fault == (f"diffusers 0.42 or newer ({here} is here)" if old else "")


def test_the_oldest_packages_that_are_allowed_are_those_that_are_tested() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    floors = dict(each.split(">=") for each in (*extras["wan"], *extras["c2pa"]))
    assert packages.PACKAGES.items() <= floors.items()
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    assert packages.PACKAGES.keys() <= tested.keys()
    for name in tested.keys() & floors.keys():
        assert f"{tested[name]}.".startswith(f"{floors[name]}."), name


@pytest.mark.parametrize(
    ("build", "given", "expected"),
    [
        ("2.13.0", {}, "expandable_segments:True"),
        ("2.13.0+cu130", {}, "expandable_segments:True"),
        ("2.13.0+cpu", {}, None),
        ("2.13.0+rocm7.1", {}, None),
        ("2.13.0", {"PYTORCH_ALLOC_CONF": "backend:native"}, "backend:native"),
        ("2.13.0", {"PYTORCH_CUDA_ALLOC_CONF": "backend:native"}, None),
    ],
)
def test_segments_expand_on_cuda_unless_the_user_set_something(
    monkeypatch: pytest.MonkeyPatch, build: str, given: dict[str, str], expected: str | None
) -> None:
    environment = dict(given)
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr(allocator, "version", lambda _: build)
    monkeypatch.setattr("sys.platform", "linux")
    allocator.use_expandable_segments()
    assert environment.get("PYTORCH_ALLOC_CONF") == expected


def test_a_job_runs_without_accelerate() -> None:
    code = (
        "import sys\n"
        "sys.modules['accelerate'] = None\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from soundreel.engines.wan.files.lookup import choose, scan\n"
        "from soundreel.engines.wan.files.places import places\n"
        "from soundreel.engines.wan.files.selection import Selection\n"
        "from soundreel.engines.wan.job import make_components\n"
        "from soundreel.engines.wan.memory.offload import Residence\n"
        "cpu = torch.device('cpu')\n"
        f"found = scan(places((Path({str(wan_tiny.model_folder())!r}),)))\n"
        "files = Selection(choose(found), ())\n"
        "parts = make_components(files, Residence(cpu, 'block'), dtype=torch.float32)\n"
        "text = parts.text().encode('a cat')\n"
        "print(text.shape, parts.vae(), parts.transformer(), parts.audio())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_request_that_can_work_passes(engine: WanEngine) -> None:
    engine.find(request_for())


def test_a_job_looks_at_every_weight_file_once(
    settings: Settings, tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    inspect = lookup._inspect

    def watched(path: Path, origin: str) -> lookup.Found:
        looked.append(path)
        return inspect(path, origin)

    monkeypatch.setattr(lookup, "_inspect", watched)
    options = dict(wan_tiny.OPTIONS)
    values: dict[str, Any] = {
        "audio": tone,
        "num_frames": 5,
        "output": tmp_path / "a.mp4",
        "options": options,
    }
    generate(request_for(**values), settings_with(settings, wan_tiny.model_folder()))
    assert len(looked) >= 4
    assert len(looked) == len(set(looked))


def test_missing_weights_are_named(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(wan_tiny.model_folder() / "transformer", tmp_path / "m" / "transformer")
    with pytest.raises(EngineUnavailable) as raised:
        WanEngine(settings_with(settings, tmp_path / "m")).find(request_for())
    assert "vae" in raised.value.message
    assert "transformer" not in raised.value.message
    checks = WanEngine(settings_with(settings, tmp_path / "m")).diagnose()
    assert {check.name: check.ok for check in checks}["Wan 2.2 S2V transformer"]
    assert all(check.ok or check.hint for check in checks)


def test_identity_follows_the_weights_not_the_place(
    engine: WanEngine, settings: Settings, tmp_path: Path
) -> None:
    identity = engine.find(request_for()).identity
    moved = shutil.copytree(wan_tiny.model_folder(), tmp_path / "elsewhere")
    assert WanEngine(settings_with(settings, moved)).find(request_for()).identity == identity
    other = make_model_folder(tmp_path / "other", seed=1)
    changed = WanEngine(settings_with(settings, other)).find(request_for()).identity
    assert changed["transformer"] != identity["transformer"]
    assert str(tmp_path) not in str(changed)


def test_loras_are_found_by_name_and_the_fast_preset_takes_the_few_step_one(
    settings: Settings, tmp_path: Path
) -> None:
    folders = (wan_tiny.model_folder(), tmp_path)
    source = wan_tiny.model_folder() / "loras" / FEW_STEP_LORA.name
    (tmp_path / "loras").mkdir()
    shutil.copy(source, tmp_path / "loras" / "mine.safetensors")
    found = list(scan(places(folders)))
    named = select(found, loras=[Lora("mine.safetensors", 0.5)]).loras
    assert [(file.path.name, strength) for file, strength in named] == [("mine.safetensors", 0.5)]
    engine = WanEngine(settings_with(settings, *folders))
    identity = engine.find(request_for({"lora": ("mine.safetensors",)})).identity
    assert str(identity["lora 1"]).startswith("mine.safetensors ")
    by_preset = engine.find(request_for()).identity
    assert str(by_preset["lora 1"]).startswith(FEW_STEP_LORA.name)
    assert "lora 1" not in engine.find(request_for({"lora": ("none",)})).identity


def test_without_the_few_step_lora_the_default_preset_says_what_to_do(
    settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(wan_tiny.model_folder(), tmp_path / "m")
    shutil.rmtree(tmp_path / "m" / "loras")
    engine = WanEngine(settings_with(settings, tmp_path / "m"))
    with pytest.raises(EngineUnavailable, match="few-step LoRA") as raised:
        engine.find(request_for())
    assert "models pull" in raised.value.hint
    engine.find(request_for({"sampling_preset": "quality"}))
    checks = {check.name: check for check in engine.diagnose()}
    assert not checks["LoRA"].ok
    assert "models pull" in checks["LoRA"].hint
