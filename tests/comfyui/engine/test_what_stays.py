"""What a job leaves on the server, at any time and at the end; and what it says on the way."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from comfyui.conftest import png_bytes
from comfyui.engine_tools import digest, flat, listening, make_plan, notices, pitches, write_melody
from comfyui.engine_tools import render as rendered
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.pictures import read_picture
from soundreel.errors import RemoteError
from soundreel.events import NodeProgress

pytestmark = pytest.mark.usefixtures("quick_polls")

LATENT = 16 * 8 * 8 * 4
"""Bytes of a latent frame at 64x64; at 832x1216 it is 247 times as much."""
AT_832_1216 = 832 * 1216 / 64**2


@pytest.fixture
def melody(tmp_path: Path) -> Path:
    return write_melody(tmp_path / "melody.wav", pitches(1200))


@pytest.mark.parametrize("interpolate", ["none", "film"])
@pytest.mark.parametrize("newer", [False, True], ids=["0.3.64", "0.33"])
def test_a_long_job_leaves_no_more_than_a_short_one(
    melody: Path, interpolate: str, newer: bool
) -> None:
    """The peak is that of two chunks: latents and the sound, no pictures. Scaled to 832x1216 it is
    far below 200 MB, whatever the length; at the end every file of ours is empty."""
    peaks = []
    for frames in (157, 477):
        with FakeComfyUI(newer=newer) as server:
            plan = make_plan(server, melody, num_frames=frames, interpolate=interpolate)
            rendered(server, plan)
            peaks.append(server.files.peak)
            assert server.files.used == 0
            assert not [name for _, _, name in server.files if name.endswith(".png")]
    short, long = peaks
    assert long <= short + 19 * LATENT + 4_000_000  # one more motion file, a longer sound
    sound = 16_000 * 4 * 60 * 2
    assert (long - sound) * AT_832_1216 + sound < 200_000_000


def test_without_a_socket_node_pictures_are_fetched_and_emptied(melody: Path) -> None:
    with FakeComfyUI() as server:
        right = digest(flat(rendered(server, make_plan(server, melody, num_frames=82))))
    with FakeComfyUI(missing=("SaveImageWebsocket",)) as server:
        made = digest(flat(rendered(server, make_plan(server, melody, num_frames=82))))
        pictures = [data for place, data in server.files.items() if place[2].endswith(".png")]
        assert len(pictures) == 82
        assert not any(pictures)
    assert made == right


def test_pictures_that_the_socket_loses_are_fetched_as_files(
    melody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that opens sockets and passes nothing on; the third chunk does not try it again."""
    monkeypatch.setattr("soundreel.engines.comfyui.client.run.LOST_SECONDS", 0.2)
    with FakeComfyUI() as server:
        right = digest(flat(rendered(server, make_plan(server, melody, num_frames=237))))
    control, events = listening()
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=237)
        server.faults.silent = True
        assert digest(flat(rendered(server, plan, control))) == right
        sampled = [node for _, node in server.engine.executed_nodes].count("86")
    assert sampled == 3
    assert notices(events).count("they are fetched as files") == 2


def test_every_node_is_told_by_its_name(melody: Path) -> None:
    control, events = listening()
    with FakeComfyUI() as server:
        plan = make_plan(server, melody, num_frames=20, interpolate="film")
        rendered(server, plan, control)
    told = [event for event in events if isinstance(event, NodeProgress)]
    names = list(dict.fromkeys(event.node for event in told))
    for name in ("Load S2V model", "Encode sound", "Decode", "FILM", "Pictures"):
        assert name in names
    shown = [event for event in told if event.node == "Pictures" and event.total]
    assert [event.done for event in shown] == list(range(41))  # 21 pictures, doubled


def test_a_picture_of_another_size_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unpack(*_: object) -> None:
        pytest.fail("unpacked")

    monkeypatch.setattr("soundreel.engines.comfyui.pictures.cv2.imdecode", unpack)
    size = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + size
    bomb += struct.pack(">I", zlib.crc32(b"IHDR" + size))
    with pytest.raises(RemoteError, match="sent 30000x30000 as picture 3 instead of 64x96"):
        read_picture(bomb, 64, 96, "picture 3")
    for other in (b"", b"\x89PNG\r\n\x1a\n", b"<html>", bomb[:20]):
        with pytest.raises(RemoteError, match="no PNG"):
            read_picture(other, 64, 96, "picture 3")


def test_a_picture_that_breaks_off_is_said_to_be_damaged() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    whole = png_bytes(64)
    assert read_picture(whole, 64, 64, "picture 1").shape == noise.shape
    for end in (len(whole) - 1, len(whole) - 13, len(whole) // 2):
        with pytest.raises(RemoteError, match="picture 1 came damaged"):
            read_picture(whole[:end], 64, 64, "picture 1")


def test_endless_pictures_are_not_taken(melody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood(self: FakeComfyUI, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1_000_000))

    monkeypatch.setattr(FakeComfyUI, "_view", flood)
    with FakeComfyUI(missing=("SaveImageWebsocket",)) as server:
        plan = make_plan(server, melody, num_frames=20)
        with pytest.raises(RemoteError, match="sends more than 17 MB for /view"):
            rendered(server, plan)
