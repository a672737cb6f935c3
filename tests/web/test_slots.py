"""How many jobs run at once: one a card, one a server, previews by cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundreel.web.jobs import slots
from soundreel.web.jobs.slots import Slots


def taken(found: Slots, engine: str) -> list[tuple[dict[str, str], dict[str, str]]]:
    each = []
    while (slot := found.take(engine)) is not None:
        each.append((dict(slot.environ), dict(slot.settings)))
    return each


def test_each_card_has_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc,5")
    cards = [environ["CUDA_VISIBLE_DEVICES"] for environ, _ in taken(Slots.of("", None, 1), "wan")]
    assert sorted(cards) == ["2", "5", "GPU-abc"]
    assert len(taken(Slots.of("", 2, 1), "wan")) == 2


def test_cards_are_found_by_their_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(slots, "_DRIVER", tmp_path)
    assert taken(Slots.of("", None, 1), "wan") == [({}, {})], "none: the job says so itself"
    for card in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / card).mkdir()
    cards = [environ["CUDA_VISIBLE_DEVICES"] for environ, _ in taken(Slots.of("", None, 1), "wan")]
    assert sorted(cards) == ["0", "1"]


def test_each_server_has_one_job() -> None:
    found = Slots.of("http://a:1, http://b:2", None, 1)
    addresses = [settings["url"] for _, settings in taken(found, "comfyui")]
    assert sorted(addresses) == ["http://a:1", "http://b:2"]


def test_a_slot_is_free_again_when_it_is_given_back() -> None:
    found = Slots.of("", None, 1)
    slot = found.take("preview")
    assert slot is not None
    assert found.take("preview") is None
    found.give(slot)
    assert found.take("preview") == slot
    assert len(taken(found, "an engine of another package")) == 1
