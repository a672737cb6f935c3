"""Weight files are found where people keep them, and a wrong or missing one is said by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from soundreel.cli.app import run
from soundreel.engines.wan.files.catalog import COMFY_REPO, OFFICIAL_REPO
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import choose, fingerprint, given, scan
from soundreel.engines.wan.files.places import Place, extra_folders
from soundreel.errors import EngineUnavailable, InputError
from wan.files.weight_files import Tensors, find_weights, key_lists, write_gguf, write_sparse

SLOTS = {
    # slot: (folder below ComfyUI's models, a name of no meaning, the key list)
    "transformer": ("diffusion_models", "a.safetensors", "s2v_fp8_scaled"),
    "text_encoder": ("text_encoders", "b.safetensors", "umt5_fp8_scaled"),
    "vae": ("vae", "c.safetensors", "vae_comfy"),
    "audio_encoder": ("audio_encoders", "d.safetensors", "wav2vec2_comfy"),
}


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is found but what the test names."""
    return {"COMFYUI_PATH": str(tmp_path / "no"), "HF_HUB_CACHE": str(tmp_path / "no")}


def make(folder: Path, aliases: dict[str, str] | None = None) -> Path:
    """The four files under `folder`, all holes."""
    for parent, name, listed in SLOTS.values():
        write_sparse(folder / (aliases or {}).get(parent, parent) / name, key_lists()[listed])
    return folder


def make_comfyui(root: Path, aliases: dict[str, str] | None = None) -> Path:
    (root / "folder_paths.py").parent.mkdir(parents=True, exist_ok=True)
    (root / "folder_paths.py").write_text("")
    make(root / "models", aliases)
    return root


def parents(found: object) -> set[str]:
    return {getattr(found, slot).path.parent.name for slot in SLOTS}


@pytest.mark.parametrize(
    "aliases", [{}, {"diffusion_models": "unet", "text_encoders": "clip"}], ids=["new", "old"]
)
def test_comfyui_folders_are_found(
    tmp_path: Path, nowhere: dict[str, str], aliases: dict[str, str]
) -> None:
    root = make_comfyui(tmp_path / "ComfyUI", aliases)
    found = find_weights((), nowhere | {"COMFYUI_PATH": str(root)}).require()
    assert parents(found) == {aliases.get(parent, parent) for parent, _, _ in SLOTS.values()}
    assert {getattr(found, slot).origin for slot in SLOTS} == {"ComfyUI"}


@pytest.mark.parametrize("below", ["", "models"])
def test_models_dir_may_be_comfyui_or_its_models(
    tmp_path: Path, nowhere: dict[str, str], below: str
) -> None:
    root = make_comfyui(tmp_path / "ComfyUI")
    assert not find_weights((root / below,), nowhere).missing


def test_a_flat_folder_is_found(tmp_path: Path, nowhere: dict[str, str]) -> None:
    for _, name, listed in SLOTS.values():
        write_sparse(tmp_path / "flat" / name, key_lists()[listed])
    assert not find_weights((tmp_path / "flat",), nowhere).missing


def test_a_folder_with_film_is_looked_into_as_before(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    for parent, name, listed in SLOTS.values():
        write_sparse(tmp_path / "all" / f"my {parent}" / name, key_lists()[listed])
    (tmp_path / "all" / "frame_interpolation").mkdir()
    assert not find_weights((tmp_path / "all",), nowhere).missing


def test_extra_model_paths_are_followed(tmp_path: Path, nowhere: dict[str, str]) -> None:
    pytest.importorskip("yaml")
    make(tmp_path / "elsewhere", {"diffusion_models": "unet/wan", "vae": "more"})
    root = tmp_path / "ComfyUI"
    (root / "models").mkdir(parents=True)
    (root / "folder_paths.py").write_text("")
    (root / "extra_model_paths.yaml").write_text(
        "# comment\n"
        "first:\n"
        f"  base_path: {tmp_path / 'elsewhere'}\n"
        "  is_default: true\n"
        "  unet: |\n    nothing_here\n    unet/wan\n"
        "  clip: text_encoders\n"
        "  checkpoints: checkpoints\n"
        "second:\n"
        f"  vae: {tmp_path / 'elsewhere' / 'more'}\n"
        f"  audio_encoders: ../elsewhere/audio_encoders\n"
    )
    found = find_weights((), nowhere | {"COMFYUI_PATH": str(root)}).require()
    assert found.transformer is not None
    assert found.transformer.origin == "ComfyUI (extra_model_paths)"


def test_malformed_extra_model_paths_are_an_error(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "extra_model_paths.yaml"
    path.write_text("first: [1, 2]\n")
    with pytest.raises(InputError, match="extra_model_paths"):
        extra_folders(path)


def test_the_hubs_cache_is_found(tmp_path: Path, nowhere: dict[str, str]) -> None:
    name = f"models--{COMFY_REPO.replace('/', '--')}"
    make(tmp_path / "hub" / name / "snapshots" / "abc" / "split_files")
    found = find_weights((), nowhere | {"HF_HUB_CACHE": str(tmp_path / "hub")}).require()
    assert found.vae is not None
    assert found.vae.origin == "hub cache"


def make_official(folder: Path) -> Path:
    """Four shards and their index, the config, and the other models' own files."""
    names = list(key_lists()["s2v_bf16"])
    table: dict[str, str] = {}
    for index in range(4):
        shard = f"diffusion_pytorch_model-{index + 1:05}-of-00004.safetensors"
        part: Tensors = {name: key_lists()["s2v_bf16"][name] for name in names[index::4]}
        write_sparse(folder / shard, part)
        table |= dict.fromkeys(part, shard)
    index_name = "diffusion_pytorch_model.safetensors.index.json"
    (folder / index_name).write_text(json.dumps({"weight_map": table}))
    write_sparse(folder / "t5.safetensors", key_lists()["umt5_official_pth"])
    write_sparse(folder / "vae.safetensors", key_lists()["vae_comfy"])
    write_sparse(
        folder / "wav2vec2-large-xlsr-53-english" / "model.safetensors",
        key_lists()["wav2vec2_comfy"],
    )
    return folder


def test_the_official_folder_is_found(tmp_path: Path, nowhere: dict[str, str]) -> None:
    found = find_weights((make_official(tmp_path / "Wan2.2-S2V-14B"),), nowhere).require()
    assert found.transformer is not None
    assert found.transformer.parameters == 16_295_755_609
    assert len(found.transformer.files) == 4


def test_the_official_folder_in_the_hubs_cache(tmp_path: Path, nowhere: dict[str, str]) -> None:
    name = f"models--{OFFICIAL_REPO.replace('/', '--')}"
    make_official(tmp_path / "hub" / name / "snapshots" / "abc")
    assert not find_weights((), nowhere | {"HF_HUB_CACHE": str(tmp_path / "hub")}).missing


def test_a_missing_shard_is_said(tmp_path: Path, nowhere: dict[str, str]) -> None:
    folder = make_official(tmp_path / "official")
    (folder / "diffusion_pytorch_model-00003-of-00004.safetensors").unlink()
    assert find_weights((folder,), nowhere).transformer is None
    problems = [item.problem for item in scan([Place("given", folder)])]
    assert any("1 of 4 shards are missing: diffusion_pytorch_model-00003" in p for p in problems)


def test_earlier_places_and_smaller_files_come_first(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    make(tmp_path / "one")
    write_sparse(tmp_path / "one" / "unet" / "bf16.safetensors", key_lists()["s2v_bf16"])
    make(tmp_path / "two")
    found = find_weights((tmp_path / "two", tmp_path / "one"), nowhere)
    assert found.transformer is not None
    assert found.transformer.path == tmp_path / "two" / "diffusion_models" / "a.safetensors"
    only = find_weights((tmp_path / "one",), nowhere)
    assert only.transformer is not None
    assert only.transformer.number_format == "fp8_scaled"


def test_what_is_missing_is_named_with_the_next_step(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    make(tmp_path / "m")
    (tmp_path / "m" / "vae" / "c.safetensors").unlink()
    with pytest.raises(EngineUnavailable, match=r"no weights for: vae \(Wan 2.1 VAE\)") as caught:
        find_weights((tmp_path / "m",), nowhere).require()
    assert "soundreel models pull" in caught.value.hint


# --- wrong files ------------------------------------------------------------------------------


def test_a_wrong_file_says_what_it_is_and_where_it_belongs(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "s2v.safetensors", key_lists()["i2v_fp8_scaled"])
    with pytest.raises(InputError, match=r"it is a Wan 2\.2 I2V transformer"):
        given(path, "transformer")
    vae = write_sparse(tmp_path / "wrong.safetensors", key_lists()["vae_comfy"])
    with pytest.raises(InputError, match=r"is not a Wan 2\.2 S2V .*: it is a Wan 2\.1 VAE") as e:
        given(vae, "transformer")
    assert "models/vae" in e.value.hint


def test_foreign_quantisation_is_refused_by_name(tmp_path: Path) -> None:
    layers = {"layers": {"blocks.0.self_attn.q": {"format": "asym_w4a8_int8"}}}
    metadata = {"_quantization_metadata": json.dumps(layers)}
    path = write_sparse(tmp_path / "x.safetensors", key_lists()["s2v_fp8_scaled"], metadata)
    with pytest.raises(InputError, match="quantised as asym_w4a8_int8, which is not supported"):
        given(path, "transformer")


def test_unknown_gguf_types_are_refused_by_name(tmp_path: Path, nowhere: dict[str, str]) -> None:
    tensors = {
        "blocks.0.self_attn.q.weight": ([5120, 5120], 22),
        "casual_audio_encoder.encoder.final_linear.weight": ([5120, 5120], 12),
        "patch_embedding.weight": ([5120, 16, 1, 2, 2], 0),
    }
    path = write_gguf(tmp_path / "x.gguf", "wan", tensors)
    with pytest.raises(InputError, match="quantised as IQ2_S, which is not supported"):
        given(path, "transformer")
    assert find_weights((tmp_path,), nowhere).transformer is None


def test_a_gguf_file_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "x.gguf", "wan", {"a.weight": ([512, 512], 12)})
    os.truncate(path, 4096)
    with pytest.raises(InputError, match="its data breaks off"):
        given(path, "transformer")


def test_nothing_at_all_and_no_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights that are known here"):
        given(tmp_path, "vae")
    with pytest.raises(InputError, match="No such file"):
        given(tmp_path / "none.safetensors", "vae")


def test_the_fingerprint_follows_the_content_not_the_name(tmp_path: Path) -> None:
    first = write_sparse(tmp_path / "a.safetensors", key_lists()["vae_comfy"])
    second = Path(shutil.copy(first, tmp_path / "b.safetensors"))
    third = write_sparse(tmp_path / "c.safetensors", key_lists()["vae_comfy"], {"x": "y"})
    prints = [fingerprint(given(path, "vae")) for path in (first, second, third)]
    assert prints[0] == prints[1] != prints[2]


def test_loras_and_other_kinds_fill_no_slot(tmp_path: Path) -> None:
    write_sparse(tmp_path / "l.safetensors", {"blocks.0.ffn.0.lora_down.weight": ([4, 8], "F32")})
    items = list(scan([Place("given", tmp_path)]))
    assert [item.kind for item in items] == [Kind.LORA]
    assert len(choose(items).missing) == 4


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def machine(nowhere: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("machine")
def test_models_shows_what_is_there_and_what_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "m")
    (tmp_path / "m" / "vae" / "c.safetensors").unlink()
    assert run(["models", "--models-dir", str(tmp_path / "m")]) == 0
    shown = capsys.readouterr().out
    assert "ok      transformer" in shown
    assert "Wan 2.2 S2V transformer, fp8_scaled, 16.4 GB, models_dir" in shown
    assert "missing vae            both   Wan 2.1 VAE" in shown
    assert "put wan_2.1_vae.safetensors into models/vae" in shown


@pytest.mark.usefixtures("machine")
def test_models_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "m")
    assert run(["models", "list", "--json", "--models-dir", str(tmp_path / "m")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["missing"] == []
    assert {item["kind"] for item in shown["found"]} == {
        *("s2v", "text_encoder", "vae", "audio_encoder"),
    }


@pytest.mark.usefixtures("machine")
def test_verify_says_what_was_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sparse(tmp_path / "wan_2.1_vae.safetensors", key_lists()["vae_comfy"])
    assert run(["models", "verify", "--models-dir", str(tmp_path)]) == 4
    shown = capsys.readouterr()
    assert "DAMAGED" in shown.out
    assert "1 of 1 files are not what was published" in shown.err
    assert "soundreel models pull" in shown.err


@pytest.mark.usefixtures("machine")
def test_options_before_the_command_are_not_lost_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "--models-dir", str(tmp_path), "pull"]) == 2
    assert "soundreel models pull OPTIONS" in capsys.readouterr().err


@pytest.mark.usefixtures("machine")
def test_an_unknown_set_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "pull", "q4"]) == 2
    assert "choose one of: fp8, bf16" in capsys.readouterr().err
