"""The two transformers are told apart by name, and what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundreel.cli.app import run
from soundreel.engines.wan.files import catalog
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import Found, scan
from soundreel.engines.wan.files.places import Place
from soundreel.engines.wan.image.files import image_checks, level_of, select
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan22_i2v import FEW_STEP_LORAS, TRANSFORMERS
from soundreel.errors import EngineUnavailable, InputError
from wan.files.weight_files import key_lists, write_sparse

QUALITY = WanImageOptions(sampling_preset="quality")


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors", "high"),
        ("wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors", "low"),
        ("Wan2_2-I2V-A14B-HIGH_fp8_e4m3fn_scaled_KJ.safetensors", "high"),
        ("Wan2_2-I2V-A14B-LOW_bf16.safetensors", "low"),
        ("LowNoise/Wan2.2-I2V-A14B-LowNoise-Q4_K_M.gguf", "low"),
        ("high_noise_model/diffusion_pytorch_model.safetensors.index.json", "high"),
        ("low_noise_model/diffusion_pytorch_model.safetensors", "low"),
        ("slow_and_highest.safetensors", None),
        ("high_to_low.safetensors", None),
    ],
)
def test_the_makers_names_say_which_is_which(name: str, level: str | None) -> None:
    assert level_of(Path("models", name)) == level


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As `soundreel models pull i2v` leaves it, without the LoRAs; all holes."""
    listed = key_lists()
    for file in TRANSFORMERS.values():
        write_sparse(tmp_path / file.folder / file.name, listed["i2v_fp8_scaled"])
    write_sparse(tmp_path / "text_encoders" / "t5.safetensors", listed["umt5_fp8_scaled"])
    write_sparse(tmp_path / "vae" / "vae.safetensors", listed["vae_comfy"])
    return tmp_path


def found_in(folder: Path) -> list[Found]:
    return list(scan([Place("given", folder)]))


def test_each_transformer_gets_its_own_file(folder: Path) -> None:
    files = select(found_in(folder), QUALITY)
    assert {expert: file.path.name for expert, file in files.experts.items()} == {
        expert: file.name for expert, file in TRANSFORMERS.items()
    }
    assert not files.is_small
    assert set(files.names) == {"high noise", "low noise", "text_encoder", "vae"}


def test_no_sound_encoder_is_asked_for(folder: Path) -> None:
    select(found_in(folder), QUALITY)
    (folder / "vae" / "vae.safetensors").unlink()
    with pytest.raises(EngineUnavailable, match=r"no weights for: vae \(Wan 2\.1 VAE\)") as error:
        select(found_in(folder), QUALITY)
    assert "soundreel models pull i2v" in error.value.hint


def test_one_without_the_other_is_not_enough(folder: Path) -> None:
    (folder / "diffusion_models" / TRANSFORMERS["low"].name).unlink()
    with pytest.raises(EngineUnavailable, match="no weights for: low_noise"):
        select(found_in(folder), QUALITY)


def test_the_default_preset_needs_both_loras(folder: Path) -> None:
    layer = "diffusion_model.blocks.0.self_attn.q"
    parts = {f"{layer}.lora_{part}.weight": ([64, 64], "F32") for part in ("down", "up")}
    write_sparse(folder / "loras" / FEW_STEP_LORAS["high"].name, parts)
    with pytest.raises(EngineUnavailable, match=FEW_STEP_LORAS["low"].name) as error:
        select(found_in(folder), WanImageOptions())
    assert "soundreel models pull i2v" in error.value.hint
    write_sparse(folder / "loras" / FEW_STEP_LORAS["low"].name, parts)
    loras = select(found_in(folder), WanImageOptions()).loras
    assert [loras[each][0][0].path.name for each in ("high", "low")] == [
        file.name for file in FEW_STEP_LORAS.values()
    ]


def test_a_named_file_of_the_other_level_is_refused(folder: Path) -> None:
    named = WanImageOptions(sampling_preset="quality", model_high=TRANSFORMERS["low"].name)
    with pytest.raises(InputError, match="the other one, of low noise"):
        select(found_in(folder), named)


def test_a_file_of_no_telling_name_can_be_named(folder: Path) -> None:
    plain = folder / "diffusion_models" / "mine.safetensors"
    (folder / "diffusion_models" / TRANSFORMERS["high"].name).rename(plain)
    named = WanImageOptions(sampling_preset="quality", model_high="mine.safetensors")
    assert select(found_in(folder), named).experts["high"].path == plain


def test_the_doctor_names_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("COMFYUI_PATH", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(folder / "none"))
    checks = {check.name: check for check in image_checks([folder])}
    assert checks["Wan 2.2 I2V transformer, high noise"].ok
    loras = [check for check in checks.values() if "LoRA" in check.name]
    assert [check.ok for check in loras] == [False, False]
    assert all("pull i2v" in check.hint for check in loras)


def test_models_and_doctor_judge_each_kind_of_video_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("COMFYUI_PATH", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(folder / "none"))
    assert run(["models", "--models-dir", str(folder)]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[1]: line for line in said.splitlines() if line.startswith("ok")}
    assert TRANSFORMERS["high"].name in lines["high_noise"]
    assert TRANSFORMERS["low"].name in lines["low_noise"]
    assert "also found" not in said
    assert "video of an image: all files are here" in said
    assert "video of a sound: lacks transformer, audio_encoder" in said
    uses = {line.split()[1]: line.split()[2] for line in said.splitlines() if line[:1] in "mo"}
    assert uses == {
        **dict.fromkeys(("transformer", "audio_encoder"), "sound"),
        **dict.fromkeys(("text_encoder", "vae"), "both"),
        **dict.fromkeys(("high_noise", "low_noise"), "image"),
    }
    (folder / "diffusion_models" / TRANSFORMERS["low"].name).unlink()
    assert run(["models", "--json", "--models-dir", str(folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["slots"]["low_noise"] is None
    assert told["missing_for"] == {
        "sound": ["transformer", "audio_encoder"],
        "image": ["low_noise"],
    }
    assert run(["doctor", "--json", "--models-dir", str(folder)]) == 0
    checks = json.loads(capsys.readouterr().out)["wan, image to video"]["checks"]
    missing = {check["name"] for check in checks if not check["ok"]}
    assert "Wan 2.2 I2V transformer, low noise" in missing
    assert "Wan 2.2 I2V transformer, high noise" not in missing


def test_wan_2_1_with_its_image_encoder_is_another_model(tmp_path: Path) -> None:
    tensors = {**key_lists()["i2v_fp8_scaled"], "img_emb.proj.0.weight": ([1280], "F32")}
    write_sparse(tmp_path / "wan2.1_i2v_high_noise.safetensors", tensors)
    assert [item.kind for item in found_in(tmp_path)] == [Kind.OTHER_WAN]


@pytest.mark.parametrize("name", [name for name in catalog.SETS if name.startswith("i2v")])
def test_each_set_has_all_that_is_needed_and_no_more(name: str) -> None:
    slots = sorted(file.slot for file in catalog.files_of(name))
    assert slots == ["high_noise", "lora", "lora", "low_noise", "text_encoder", "vae"]
    levels = [level_of(Path(f.path)) for f in catalog.files_of(name) if f.slot != "text_encoder"]
    assert levels.count("high") == levels.count("low") == 2
