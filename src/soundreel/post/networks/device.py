"""What networks run on."""

from __future__ import annotations

import torch


def choose_device() -> torch.device:
    """The best device of this machine: cuda (also ROCm), mps, else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def driver_name(device: torch.device) -> str:
    """The card as its driver names it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
