"""Uploads: by content, once, under the name that the server gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyui.conftest import Log, client_for
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.errors import InputError, RemoteError


def test_the_same_bytes_are_sent_once(
    client: ComfyClient, server: FakeComfyUI, log: Log, tmp_path: Path
) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"sound")
    first = client.upload(b"sound", ".wav", log.control)
    assert client.upload(path, ".wav", log.control) == first
    assert client.upload(b"other", ".wav", log.control) != first
    assert len(server.uploads) == 2
    folder, _, name = first.rpartition("/")
    assert server.files["input", folder, name] == b"sound"


def test_a_file_that_the_server_lost_is_sent_again(
    client: ComfyClient, server: FakeComfyUI, log: Log
) -> None:
    name = client.upload(b"sound", ".wav", log.control)
    server.delete_files("input")
    assert client.upload(b"sound", ".wav", log.control) == name
    assert len(server.uploads) == 2


def test_a_foreign_file_of_the_same_name_is_not_taken_for_ours(
    server: FakeComfyUI, log: Log
) -> None:
    with client_for(server) as client:
        folder, _, name = client.upload(b"sound", ".wav", log.control).rpartition("/")
    server.files["input", folder, name] = b"NOISE"  # as long as ours
    with client_for(server) as client:
        value = client.upload(b"sound", ".wav", log.control)
        assert client.upload(b"sound", ".wav", log.control) == value
    folder, _, renamed = value.rpartition("/")
    assert renamed != name
    assert server.files["input", folder, renamed] == b"sound"


def test_too_large_a_file_is_the_users_to_mend(log: Log) -> None:
    with (
        FakeComfyUI(max_upload=100_000) as server,
        client_for(server) as client,
        pytest.raises(InputError, match="Maximum request body size 100000 exceeded") as caught,
    ):
        client.upload(bytes(3_000_000), ".wav", log.control)
    assert "--max-upload-size" in caught.value.hint


def test_a_refused_upload_is_an_error(client: ComfyClient, log: Log) -> None:
    with pytest.raises(RemoteError, match="did not take the upload"):
        client.upload(b"sound", "/../../x.wav", log.control)
