"""This machine's device as the wan engine sees it: its numbers, cards, free memory and name."""

from __future__ import annotations

import os

import torch

from soundreel.post.networks.device import choose_device
from soundreel.types import Check


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 as the official code runs; float32 on a CPU, which is faster there and exact."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def card_names() -> list[str]:
    """Each card that torch can use here, as CUDA_VISIBLE_DEVICES calls it; none without CUDA."""
    if not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def free_bytes() -> int | None:
    """Free bytes of the device at this moment, None where it cannot be asked. What torch keeps of
    an earlier job counts as used: `offload.empty_caches` before."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    if torch.backends.mps.is_available():
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return None


def device_name(device: torch.device) -> str:
    """What a person calls it, with its memory; "none" where there is no GPU."""
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return f"{torch.cuda.get_device_name(device)}, {memory / 2**30:.0f} GiB"
    return "none" if device.type == "cpu" else device.type


def gpu_check() -> Check:
    """A line of the doctor."""
    device, hint = choose_device(), "install torch for your GPU: https://pytorch.org/get-started"
    return Check("GPU", device.type != "cpu", device_name(device), hint)
