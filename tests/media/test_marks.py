"""Generated video says so: IPTC's digital source type, and what other readers make of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

import oracle
from fakes import FakeEngine
from media_factory import sine, write_audio
from soundreel import registry
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.wan.engine import WanEngine
from soundreel.media.marks import (
    ALGORITHMIC,
    COMPOSITE,
    SCHEME,
    TAG,
    TRAINED,
    append_box,
    boxes,
    packet,
    read_box,
)
from soundreel.types import Request
from soundreel.video.reader import read_frames, read_tags

KINDS = ("mp4", "mov", "webm", "gif", "webp")
MADE_BY_FAKE = SCHEME + TRAINED


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    sound = write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000)
    return Request(audio=sound, engine="fake", width=64, height=48, seed=1)


def made(request: Request, settings: Settings, kind: str, name: str = "a") -> Path:
    output = settings.work_dir.parent / f"{name}.{kind}"
    return generate(replace(request, output=output), settings).path


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_says_where_its_pictures_come_from(
    request_: Request, settings: Settings, kind: str
) -> None:
    path = made(request_, settings, kind)
    assert read_tags(path)[TAG] == MADE_BY_FAKE
    assert path.read_bytes() == made(request_, settings, kind, "b").read_bytes()


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_the_packet_is_a_box_at_the_end_that_disturbs_no_reader(
    request_: Request, settings: Settings, kind: str
) -> None:
    path = made(request_, settings, kind)
    with path.open("rb") as file:
        found = [name for name, _, _ in boxes(file)]
    assert found[0] == b"ftyp"
    assert found[-1] == b"uuid"
    assert sorted({b"moov", b"mdat"} & {*found}) == [b"mdat", b"moov"]
    assert read_box(path) == MADE_BY_FAKE
    assert len(list(read_frames(path))) == 16
    assert len(list(oracle.pictures(path, 64, 48))) == 16


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animated_pictures_hold_the_packet_too(
    request_: Request, settings: Settings, kind: str
) -> None:
    path = made(request_, settings, kind)
    with Image.open(path) as image:
        image.seek(image.n_frames - 1)  # type: ignore[attr-defined]
        image.load()
        text = image.info["xmp"] if kind == "webp" else packet_of_gif(path)
    found = re.findall(r'Iptc4xmpExt:DigitalSourceType="([^"]*)"', text.decode())
    assert found == [MADE_BY_FAKE]


def packet_of_gif(path: Path) -> bytes:
    """As Adobe's specification has it: 258 bytes end it, by which other readers find its end."""
    start = path.read_bytes().split(b"\x21\xff\x0bXMP DataXMP")[1]
    packet, behind = start.split(b"\x01\xff\xfe\xfd", 1)
    assert behind[:254] == bytes((*range(0xFC, -1, -1), 0))
    return packet


def test_engines_say_what_is_true_of_them(settings: Settings) -> None:
    request = Request(audio="a.wav")
    with_image = replace(request, image="a.png")
    preview = PreviewEngine(settings)
    assert registry.source_type(preview, request) == ALGORITHMIC
    assert registry.source_type(preview, with_image) == COMPOSITE
    assert registry.source_type(preview, replace(request, image="cover")) == COMPOSITE
    for model in (WanEngine(settings), ComfyUIEngine(settings), FakeEngine(settings)):
        assert registry.source_type(model, with_image) == TRAINED


def test_boxes_end_where_the_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    whole = b"\0\0\0\x0cftypisom"
    path.write_bytes(whole + b"\0\0\0\x02free" + bytes(8))
    with path.open("rb") as file:
        assert [name for name, _, _ in boxes(file)] == [b"ftyp"]
    path.write_bytes(whole + b"\0\0\0\x01mdat" + (20).to_bytes(8, "big") + bytes(4))
    append_box(path, "urn:x")
    with path.open("rb") as file:
        assert [(name, size) for name, _, size in boxes(file)][:2] == [(b"ftyp", 4), (b"mdat", 4)]
    assert read_box(path) == "urn:x"


def test_the_packet_is_well_formed() -> None:
    text = packet(SCHEME + COMPOSITE).decode()
    [described] = ElementTree.fromstring(text.split("?>", 1)[1].rsplit("<?", 1)[0])[0]
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    assert described.attrib[name] == SCHEME + COMPOSITE
