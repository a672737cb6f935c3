"""`models pull` against a hub on localhost: whole, resumed, checked, and only when asked."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from soundreel.engines.wan.files import catalog, download, evidence
from soundreel.engines.wan.files.catalog import Published
from soundreel.engines.wan.files.evidence import LOCK
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.gguf import MIXES
from soundreel.engines.wan.files.lookup import Found, choose, scan
from soundreel.engines.wan.files.places import Place, places
from soundreel.errors import EngineUnavailable, InputError, WorkError
from wan.files.fake_hub import FakeHub, fake_hub
from wan.files.weight_files import key_lists, write_gguf, write_sparse

NAME = "split_files/vae/wan_2.1_vae.safetensors"
FILE = Published("vae", "some/repo", NAME)


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library may be told to stay offline where tests run; ours is on this machine."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A small real VAE header with data."""
    tensors = {
        "decoder.middle.0.residual.0.gamma": ([4, 1, 1, 1], "F16"),
        "conv2.weight": ([16, 16, 1, 1, 1], "F16"),
        "filler": ([300_000], "F32"),
    }
    return write_sparse(tmp_path / "vae.safetensors", tensors).read_bytes()


@pytest.fixture
def hub(content: bytes) -> Iterator[FakeHub]:
    with fake_hub({f"some/repo/{NAME}": content}) as served:
        yield served


def environ(hub: FakeHub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}


def pull(hub: FakeHub, tmp_path: Path, folder: Path | None = None, file: Published = FILE) -> Path:
    (path,) = download.pull([file], folder, lambda _: None, environ(hub, tmp_path))
    return path


def test_pull_puts_the_file_where_it_is_found_again(
    hub: FakeHub, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.wan.files.places._REPOS", ("some/repo",))
    path = pull(hub, tmp_path)
    assert path.read_bytes() == content
    where = places((), environ(hub, tmp_path) | {"COMFYUI_PATH": str(tmp_path / "none")})
    found = choose(scan(where)).vae
    assert found is not None
    assert found.origin == "hub cache"


def test_pull_into_a_folder_lays_it_out_as_comfyui(
    hub: FakeHub, tmp_path: Path, content: bytes
) -> None:
    path = pull(hub, tmp_path, tmp_path / "models")
    assert path == tmp_path / "models" / "vae" / "wan_2.1_vae.safetensors"
    assert path.read_bytes() == content
    assert not (tmp_path / "models" / "split_files").exists()


def test_a_broken_download_goes_on_where_it_stopped(
    hub: FakeHub, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.break_after = 450_000
    path = pull(hub, tmp_path)
    assert path.read_bytes() == content
    assert any(request.endswith("bytes=400000-") for request in hub.requests)


def test_the_same_file_is_not_fetched_twice(hub: FakeHub, tmp_path: Path) -> None:
    pull(hub, tmp_path)
    before = sum(request.startswith("GET") for request in hub.requests)
    pull(hub, tmp_path)
    assert sum(request.startswith("GET") for request in hub.requests) == before == 1


def test_a_damaged_file_is_deleted_and_said(hub: FakeHub, tmp_path: Path) -> None:
    hub.lie = True
    with pytest.raises(WorkError, match="came damaged"):
        pull(hub, tmp_path)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert not (tmp_path / "cache" / LOCK).exists()


def test_a_missing_file_and_a_dead_server_are_said(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="cannot fetch some/repo/other") as caught:
        pull(hub, tmp_path, file=Published("vae", "some/repo", "other.safetensors"))
    assert "https://huggingface.co/some/repo" in caught.value.hint
    gone = FakeHub({}, url=f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(EngineUnavailable, match="cannot fetch") as caught:
        pull(gone, tmp_path)
    assert "goes on where it stopped" in caught.value.hint


def test_offline_mode_is_said(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineUnavailable, match="HF_HUB_OFFLINE"):
        pull(hub, tmp_path)


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(WorkError, match=r"takes 0.0 GB|are free"):
        pull(hub, tmp_path)
    assert not any(request.startswith("GET") for request in hub.requests)


# --- what decides -----------------------------------------------------------------------------


def pinned(content: bytes) -> Published:
    return Published("vae", "some/repo", NAME, sha256=hashlib.sha256(content).hexdigest())


def other(content: bytes) -> bytes:
    """The same header and size, other numbers."""
    return content[:-1] + b"!"


def pull_said(hub: FakeHub, tmp_path: Path, file: Published, revision: str | None = None) -> str:
    said: list[str] = []
    folder = tmp_path / "models"
    download.pull([file], folder, said.append, environ(hub, tmp_path), revision)
    return "\n".join(said)


def gets(hub: FakeHub) -> int:
    return sum(request.startswith("GET") for request in hub.requests)


@pytest.mark.parametrize("silent", [False, True], ids=["stated", "not stated"])
def test_a_mirror_with_other_bytes_does_not_beat_the_pin(
    hub: FakeHub, tmp_path: Path, content: bytes, silent: bool
) -> None:
    hub.silent = silent
    hub.files = {f"some/repo/{NAME}": other(content)}
    with pytest.raises(WorkError, match=r"SHA-256 .* the pinned one is") as caught:
        pull_said(hub, tmp_path, pinned(content))
    assert "`revision=`" in caught.value.hint
    assert not list(tmp_path.rglob("models/**/*.safetensors"))
    assert gets(hub) == (1 if silent else 0)


def test_the_pin_is_said_to_have_decided(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    assert "its SHA-256 is the pinned one" in pull_said(hub, tmp_path, pinned(content))
    assert not (tmp_path / "models" / LOCK).exists()


def test_without_a_pin_the_size_decides_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, content: bytes
) -> None:
    file = Published("vae", "some/repo", NAME, size=len(content) + 1)
    with pytest.raises(
        WorkError, match=rf"published are {len(content) + 1:,}; nothing was fetched"
    ):
        pull_said(hub, tmp_path, file)
    assert gets(hub) == 0


def test_a_size_that_was_published_rounded_decides_too(
    hub: FakeHub, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = NAME.rsplit("/", 1)[-1]
    monkeypatch.setattr(evidence, "_ROUGH_SIZES", {name: len(content) * 2})
    with pytest.raises(WorkError, match=r"published are about"):
        pull_said(hub, tmp_path, FILE)
    monkeypatch.setattr(evidence, "_ROUGH_SIZES", {name: int(len(content) * 1.04)})
    assert "near the published one" in pull_said(hub, tmp_path, FILE)


def test_then_the_first_download_decides(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    file = Published("vae", "some/repo", NAME, size=len(content))
    said = pull_said(hub, tmp_path, file)
    assert "its size is the published one; no checksum of it is known; its SHA-256 is kept" in said
    path = tmp_path / "models" / "vae" / "wan_2.1_vae.safetensors"
    path.unlink()
    hub.files = {f"some/repo/{NAME}": other(content)}
    with pytest.raises(WorkError, match="that of the first download"):
        pull_said(hub, tmp_path, file)
    hub.silent = True
    with pytest.raises(WorkError, match=r"that of the first download .*it was deleted"):
        pull_said(hub, tmp_path, file)
    assert not path.exists()
    hub.files = {f"some/repo/{NAME}": content}
    assert "its SHA-256 is that of the first download" in pull_said(hub, tmp_path, file)


def test_a_named_revision_is_fetched_and_kept_for_itself(
    hub: FakeHub, tmp_path: Path, content: bytes
) -> None:
    older = "1" * 40
    hub.files = {f"some/repo/{NAME}": other(content), f"some/repo@{older}/{NAME}": content}
    with pytest.raises(WorkError, match="pinned"):
        pull_said(hub, tmp_path, pinned(content))
    pull_said(hub, tmp_path, pinned(content), older)
    path = tmp_path / "models" / "vae" / "wan_2.1_vae.safetensors"
    assert path.read_bytes() == content
    pull_said(hub, tmp_path, FILE)
    pull_said(hub, tmp_path, FILE, older)
    kept = json.loads((tmp_path / "models" / LOCK).read_text())["sha256"]
    assert set(kept) == {f"some/repo/{NAME}@main", f"some/repo/{NAME}@{older}"}
    assert len(set(kept.values())) == 2


@pytest.mark.parametrize("revision", ["", "../x", "a b", "-x", "a/../../b", "x" * 101])
def test_what_is_not_a_revision_is_refused(hub: FakeHub, tmp_path: Path, revision: str) -> None:
    with pytest.raises(InputError, match="is not a revision"):
        pull_said(hub, tmp_path, FILE, revision)
    assert not hub.requests


def test_another_kind_of_weights_is_refused(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(WorkError, match=r"it is a Wan 2\.1 VAE, not a LoRA; it was deleted"):
        pull_said(hub, tmp_path, Published("lora", "some/repo", NAME))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": {"a": 1}}', "[" * 100_000])
def test_a_damaged_lock_file_is_said(hub: FakeHub, tmp_path: Path, text: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / LOCK).write_text(text)
    with pytest.raises(InputError, match="is not a lock file of weights"):
        pull_said(hub, tmp_path, FILE)
    assert not hub.requests


# --- what is missing, and verify --------------------------------------------------------------


def test_only_what_is_not_here_is_wanted(tmp_path: Path) -> None:
    write_sparse(tmp_path / "wan_2.1_vae.safetensors", key_lists()["vae_comfy"])
    found = list(scan([Place("models_dir", tmp_path)]))
    names = {file.name for file in download.missing_files(catalog.files_of("fp8"), found)}
    assert "wan_2.1_vae.safetensors" not in names
    assert "wan2.2_s2v_14B_fp8_scaled.safetensors" in names


def test_bf16_takes_the_rest_from_the_fp8_set() -> None:
    slots = [file.slot for file in catalog.files_of("bf16")]
    assert sorted(slots) == ["audio_encoder", "lora", "text_encoder", "transformer", "vae"]


@pytest.mark.parametrize("name", [name for name in catalog.SETS if name.startswith("gguf-")])
def test_a_gguf_set_has_a_file_for_every_slot(name: str) -> None:
    files = catalog.files_of(name)
    slots = [file.slot for file in files]
    assert sorted(slots) == ["audio_encoder", "lora", "text_encoder", "transformer", "vae"]
    transformer = next(file for file in files if file.slot == "transformer")
    mix = name.removeprefix("gguf-").upper()
    assert transformer.name == f"Wan2.2-S2V-14B-{mix}.gguf"
    assert mix in MIXES.values()
    assert all(file.name.endswith(".gguf") for file in files[:2])


def test_an_unknown_set_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no set 'gguf'") as caught:
        catalog.files_of("gguf")
    assert "gguf-q4_k_m" in caught.value.hint


def test_a_pulled_gguf_transformer_is_found_again_and_said_by_its_mix(tmp_path: Path) -> None:
    file = catalog.SETS["gguf-q4_1"][0]
    tensors = {
        "blocks.0.self_attn.q.weight": ([256, 256], 3),
        "casual_audio_encoder.encoder.final_linear.weight": ([256, 256], 0),
    }
    model = write_gguf(tmp_path / "any.gguf", "wan", tensors)
    os.truncate(model, 300_000)
    wrong = write_gguf(tmp_path / "t5.gguf", "t5encoder", {"enc.blk.0.attn_q.weight": ([8], 0)})
    os.truncate(wrong, 5000)
    with fake_hub({f"{file.repo}/{file.path}": model.read_bytes()}) as hub:
        pull(hub, tmp_path, file=file)
        where = places((), environ(hub, tmp_path) | {"COMFYUI_PATH": str(tmp_path / "none")})
        found = choose(scan(where)).transformer
        assert found is not None
        assert (found.path.name, found.number_format) == (file.name, "GGUF Q4_1")
        placed = pull(hub, tmp_path, tmp_path / "models", file)
        assert placed == tmp_path / "models" / "diffusion_models" / file.name
    with (
        fake_hub({f"{file.repo}/{file.path}": wrong.read_bytes()}) as hub,
        pytest.raises(WorkError, match=r"not a Wan 2\.2 S2V transformer"),
    ):
        pull(hub, tmp_path / "other", file=file)


def test_film_is_a_set_of_its_own(tmp_path: Path) -> None:
    wanted = catalog.files_of("film")
    assert [(file.name, file.slot) for file in wanted] == [("film_net_fp16.safetensors", "film")]
    path = tmp_path / wanted[0].name
    path.write_bytes(b"")
    film = Found(Kind.FILM, path, (path,), "fp16", wanted[0].size, 1, "models_dir")
    assert not download.missing_files(wanted, [film])


def found_at(path: Path) -> Found:
    return Found(Kind.VAE, path, (path,), "fp16", path.stat().st_size, 1, "models_dir")


def test_verify_uses_the_published_checksum(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wan_2.1_vae.safetensors"
    path.write_bytes(content)
    assert download.verify(found_at(path)).ok is False
    right = Published("vae", "r", path.name, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(catalog, "PUBLISHED", (right,))
    assert download.verify(found_at(path)).ok is True


def test_verify_uses_the_size_and_the_first_download(
    hub: FakeHub, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Published("vae", "some/repo", NAME, size=len(content))
    monkeypatch.setattr(catalog, "PUBLISHED", (file,))
    lone = tmp_path / "lone" / "wan_2.1_vae.safetensors"
    lone.parent.mkdir()
    lone.write_bytes(content)
    assert download.verify(found_at(lone)).ok is None
    lone.write_bytes(content + b"!")
    assert download.verify(found_at(lone)).ok is False
    pull_said(hub, tmp_path, file)
    path = tmp_path / "models" / "vae" / "wan_2.1_vae.safetensors"
    verdict = download.verify(found_at(path))
    assert verdict.ok is True
    assert "first download" in verdict.text
    path.write_bytes(other(content))
    assert download.verify(found_at(path)).ok is False


def test_verify_uses_the_hubs_own_names(hub: FakeHub, tmp_path: Path) -> None:
    file = Published("vae", "some/repo", NAME)
    hub.files = {f"some/repo/{NAME.replace('wan_2.1', 'other')}": hub.files[f"some/repo/{NAME}"]}
    path = pull(hub, tmp_path, file=Published("vae", file.repo, NAME.replace("wan_2.1", "other")))
    (tmp_path / "cache" / LOCK).unlink()
    assert download.verify(found_at(path)).ok is True
    blob = path.resolve()
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    assert download.verify(found_at(path)).ok is False


def test_verify_says_where_nothing_was_published(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"x")
    assert download.verify(found_at(path)).ok is None


def test_looking_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    write_sparse(tmp_path / "x.safetensors", key_lists()["vae_comfy"])
    assert choose(scan(places((tmp_path,)))).vae is not None
