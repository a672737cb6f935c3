"""The cards of this machine, of which each may have a process of its own."""

from __future__ import annotations

import pytest
import torch

from soundreel.engines.wan.memory.device import card_names


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("", ["0", "1", "2"]),
        ("2,0,1", ["2", "0", "1"]),
        ("GPU-a,GPU-b,3,9", ["GPU-a", "GPU-b", "3"]),
    ],
)
def test_each_card_is_called_as_its_process_will_be_told(
    visible: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert card_names() == names


def test_without_cuda_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert card_names() == []
