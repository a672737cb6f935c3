"""`models pull` against a hub on localhost: whole, resumed, checked, and only when asked."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from soundreel.engines.wan.files import catalog, download
from soundreel.engines.wan.files.catalog import Published
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import Found, choose, scan
from soundreel.engines.wan.files.places import Place, places
from soundreel.errors import EngineUnavailable, WorkError
from wan.files.fake_hub import FakeHub, fake_hub
from wan.files.weight_files import key_lists, write_sparse

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
    monkeypatch.setattr("soundreel.engines.wan.files.places.COMFY_REPO", "some/repo")
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


def test_without_a_stated_checksum_the_catalogs_counts(hub: FakeHub, tmp_path: Path) -> None:
    hub.silent = True
    with pytest.raises(WorkError, match="came damaged"):
        pull(hub, tmp_path, file=Published("vae", "some/repo", NAME, sha256="0" * 64))


def test_a_file_that_its_repository_renewed_is_kept_and_said(hub: FakeHub, tmp_path: Path) -> None:
    said: list[str] = []
    file = Published("vae", "some/repo", NAME, sha256="0" * 64)
    (path,) = download.pull([file], None, said.append, environ(hub, tmp_path))
    assert path.is_file()
    assert any("newer than the file that this version" in text for text in said)
    assert download.verify(found_at(path)).ok is True


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
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WorkError, match=r"takes 0.0 GB|are free"):
        pull(hub, tmp_path)
    assert not any(request.startswith("GET") for request in hub.requests)


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


def test_verify_uses_the_hubs_own_names(hub: FakeHub, tmp_path: Path) -> None:
    file = Published("vae", "some/repo", NAME)
    hub.files = {f"some/repo/{NAME.replace('wan_2.1', 'other')}": hub.files[f"some/repo/{NAME}"]}
    path = pull(hub, tmp_path, file=Published("vae", file.repo, NAME.replace("wan_2.1", "other")))
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
