"""The pictures that a video begins and ends with, as the transformer takes them.

    video     (1, 3, F, H, W)     the pictures where they belong, 0 (grey) between
    latents   (1, 16, T, h, w)    of that video, F = 4 T - 3
    mask      (1, 4, T, h, w)     1 where a picture is given: a latent frame is 4 pictures, and the
                                  first one, which is 1 picture, counts as four
    both      (1, 20, T, h, w)    mask, then latents: put behind the noisy ones

Source: Wan-Video/Wan2.2, wan/image2video.py; the last picture as in diffusers' pipeline_wan_i2v.py
and ComfyUI's WanFirstLastFrameToVideo.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.timeline.grid import FRAMES_PER_LATENT, pictures_of


def picture_latents(
    vae: WanVae,
    latent_size: tuple[int, int, int],
    first: Tensor | None,
    last: Tensor | None,
    check: Callable[[], None],
) -> Tensor:
    """(1, 4 + C, T, h, w) float32 where the VAE is. first, last: (1, 3, 1, H, W) in -1..1, or None
    for none. `check` is called before every latent frame."""
    latents = vae.encode(_video(latent_size[0], first, last), check)
    return torch.cat([_mask(latent_size, first, last).to(latents), latents], dim=1)


def _video(frames: int, first: Tensor | None, last: Tensor | None) -> Tensor:
    given = first if first is not None else last
    assert given is not None, "a picture is needed"
    video = given.new_zeros(1, 3, pictures_of(frames), *given.shape[-2:])
    if first is not None:
        video[:, :, :1] = first
    if last is not None:
        video[:, :, -1:] = last
    return video


def _mask(size: tuple[int, int, int], first: Tensor | None, last: Tensor | None) -> Tensor:
    mask = torch.zeros(1, FRAMES_PER_LATENT, *size)
    if first is not None:
        mask[:, :, 0] = 1
    if last is not None:
        mask[:, -1, -1] = 1
    return mask
