"""What chunks send is made ahead: the same bytes, and not too many of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comfyui.conftest import png_bytes
from comfyui.test_window import GEOMETRY, RATE, plan_for, write
from soundreel.engines.comfyui import ahead
from soundreel.engines.comfyui.ahead import Sending
from soundreel.engines.comfyui.hearing.level import Sound
from soundreel.errors import InputError
from soundreel.timeline.plan import cut_shot
from soundreel.types import Plan, Shot

SECONDS = 90


@pytest.fixture
def one_shot(tmp_path: Path) -> Plan:
    sound = np.random.default_rng(3).random(SECONDS * RATE) / 2
    return plan_for(write(tmp_path / "a.wav", sound), SECONDS * 16)


@pytest.fixture
def shots(one_shot: Plan, tmp_path: Path) -> Plan:
    """Each of a second, of one chunk, every second one with a picture."""
    image = tmp_path / "a.png"
    image.write_bytes(png_bytes())
    cuts = tuple(
        Shot(index, index * 16, 16, image=image if index % 2 else None) for index in range(SECONDS)
    )
    chunks = tuple(chunk for cut in cuts for chunk in cut_shot(cut, GEOMETRY, cut.index))
    return replace(one_shot, shots=cuts, chunks=chunks)


def lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read from now on fails."""

    def gone(*_: object) -> None:
        raise InputError("it is gone")

    monkeypatch.setattr(Sound, "buckets", gone)
    monkeypatch.setattr(ahead, "shot_picture", gone)


def test_the_next_chunk_is_made_ahead_and_is_the_same(
    one_shot: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending, eight = Sending(one_shot), one_shot.chunks[8]
    sending.look_ahead(one_shot.chunks[7])
    right = Sending(one_shot).take(eight)
    lose(monkeypatch)
    assert sending.take(eight) == right
    sending.look_ahead(eight)
    with pytest.raises(InputError, match="it is gone"):
        sending.take(one_shot.chunks[9])


def test_servers_look_ahead_for_shots_that_nobody_has_begun(
    shots: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending, first, then = Sending(shots), shots.chunks[:3], shots.chunks[3:6]
    for chunk in first:
        sending.take(chunk)
    for chunk in first:
        sending.look_ahead(chunk)
    lose(monkeypatch)
    made = [sending.take(chunk) for chunk in then]
    assert [sent.image is not None for sent in made] == [True, False, True]


def test_what_nobody_takes_does_not_add_up(shots: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_WAITING", 3 * 30 * RATE * 4)
    sending = Sending(shots)
    for _ in range(5):
        sending.look_ahead(shots.chunks[0])
    waiting = list(sending._waiting)
    assert waiting == [4, 5]
