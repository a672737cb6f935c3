"""What a chunk hands to the next: the pictures just before it, as floats, and their latents.

The buffer of 73 pictures after a chunk is cat(old[k:], new[-k:]) with k = min(73, kept): where a
shot has fewer pictures, zeros stand in front. The transformer and the decoder take its latents; the
pictures themselves are kept only where a later buffer still holds some of them, since 73 float
pictures of 832x1216 are 886 MB and the latents 19 MB.
Source: Wan-Video/Wan2.2, wan/speech2video.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from soundreel.engines.wan.encoders.border import Border
from soundreel.engines.wan.sampling.state import pack_state, unpack_state
from soundreel.types import Chunk, Plan


@dataclass(frozen=True)
class Motion:
    """State between two chunks.

    latents: (1, C, 19, h, w) of the buffer, None at the head of a shot.
    pictures: (1, 3, s, H, W) float32 on the CPU: those that the buffer after the next chunk takes
        over, None if no chunk will ask for them.
    border: where the decoder goes on, None if it does not.
    look: how the take looked so far (`post.steady`), empty if that is not asked.
    """

    latents: Tensor | None = None
    pictures: Tensor | None = None
    border: Border | None = None
    look: bytes = b""

    def to_bytes(self) -> bytes:
        """All of it, exactly, as a safetensors file; of the border, its latents."""
        decoded = None if self.border is None else self.border.latents
        held = {"latents": self.latents, "pictures": self.pictures, "decoded": decoded}
        return pack_state(held, self.look)

    def resting(self, device: torch.device) -> Motion:
        """With what takes much room on `device`."""
        return self if self.border is None else replace(self, border=self.border.resting(device))

    @classmethod
    def from_bytes(cls, state: bytes, device: torch.device) -> Motion:
        """Raises WorkError if `state` is not one of ours."""
        held, look = unpack_state(state)
        latents, decoded = held.get("latents"), held.get("decoded")
        return cls(
            latents if latents is None else latents.to(device),
            held.get("pictures"),
            None if decoded is None else Border(decoded),
            look,
        )


def survivors(plan: Plan, chunk: Chunk, buffer: Tensor) -> Tensor | None:
    """Pictures of the buffer before `chunk` that are still in the buffer after it.

    None if that one will never be made, because `chunk` ends its shot.
    """
    if plan.following(chunk) is None:
        return None
    return buffer[:, :, chunk.generated_frames - chunk.dropped_frames :].contiguous()
