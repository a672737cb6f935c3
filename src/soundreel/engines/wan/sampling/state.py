"""What a part hands to the next, as bytes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from soundreel.errors import WorkError

_LOOK = "look"


def pack_state(held: Mapping[str, Tensor | None], look: bytes) -> bytes:
    """Tensors, exactly, as a safetensors file, with how the take looked."""
    seen = torch.frombuffer(bytearray(look), dtype=torch.uint8) if look else None
    tensors = {**held, _LOOK: seen}
    return bytes(save({k: v.cpu().contiguous() for k, v in tensors.items() if v is not None}))


def unpack_state(state: bytes) -> tuple[dict[str, Tensor], bytes]:
    """What `pack_state` packed. Raises WorkError."""
    try:
        held = load(state)
    except SafetensorError as err:
        raise WorkError(
            f"the state of the last finished part is damaged: {err}",
            hint="remove the job's work folder and start again",
        ) from err
    look = held.pop(_LOOK, None)
    return held, b"" if look is None else look.numpy().tobytes()
