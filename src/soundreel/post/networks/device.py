"""What the networks run on."""

from __future__ import annotations

import torch


def choose_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """As the driver names a card."""
    device = choose_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
