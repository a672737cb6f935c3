"""What stays the same over all sampling steps of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan.model.attention import RotaryTable
from soundreel.engines.wan.model.audio_injector import AudioTokens


@dataclass(frozen=True)
class WanS2VConditioning:
    """Made by `WanS2VTransformer3DModel.prepare`; B is 1 or the batch of the latents.

    text: (B, text_len, dim) in the model's dtype.
    audio: tokens of the chunk's T latent frames, float32, of each speaker.
    noisy_embedding: (B, n or 1, dim) float32, added to the n noisy tokens: pose and mask.
    context_tokens: (B, r, dim) float32, tokens of reference and motion; r may be 0.
    rotary_emb: cosine and sine of all n + r tokens.
    latent_size: (T, h, w) of the latents it was made for.
    """

    text: Tensor
    audio: tuple[AudioTokens, ...]
    noisy_embedding: Tensor
    context_tokens: Tensor
    rotary_emb: RotaryTable
    latent_size: tuple[int, int, int]

    @staticmethod
    def cat(parts: Sequence[WanS2VConditioning]) -> WanS2VConditioning:
        """One batch of several, for guidance in one pass. Raises ValueError on other sizes, and
        for several speakers, whose masks are not of a batch."""
        first = parts[0]
        shapes = {(part.latent_size, part.context_tokens.shape[1]) for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"cannot batch conditionings of different sizes: {sorted(shapes)}")
        if any(len(part.audio) > 1 for part in parts):
            raise ValueError("cannot batch conditionings of several speakers")
        num_noisy = max(part.noisy_embedding.shape[1] for part in parts)
        return WanS2VConditioning(
            text=torch.cat([part.text for part in parts]),
            audio=(
                AudioTokens(
                    torch.cat([part.audio[0].local_tokens for part in parts]),
                    torch.cat([part.audio[0].global_token for part in parts]),
                ),
            ),
            noisy_embedding=torch.cat(
                [part.noisy_embedding.expand(-1, num_noisy, -1) for part in parts]
            ),
            context_tokens=torch.cat([part.context_tokens for part in parts]),
            rotary_emb=first.rotary_emb,
            latent_size=first.latent_size,
        )


def pad_text(encoder_hidden_states: Tensor | Sequence[Tensor], text_len: int) -> Tensor:
    """Text embeddings (B, L, C), or B of (L_i, C), as (B, text_len, C): zeros behind, attended.

    Raises ValueError where a text is longer than `text_len`.
    """
    texts = list(encoder_hidden_states)
    longest = max(text.shape[0] for text in texts)
    if longest > text_len:
        raise ValueError(f"text of {longest} tokens, at most {text_len} are allowed")
    return torch.stack([F.pad(text, (0, 0, 0, text_len - text.shape[0])) for text in texts])


def check_sizes(
    latent_size: Sequence[int],
    reference_latents: Tensor | None,
    motion_latents: Tensor | None,
    pose_latents: Tensor | None,
) -> None:
    """Raises ValueError where pictures do not fit the noisy latents (T, h, w)."""
    num_frames, height, width = latent_size
    if height % 2 or width % 2:
        raise ValueError(f"latents of {height}x{width}: both must be even")
    if motion_latents is not None and min(height, width) < 8:
        raise ValueError(f"latents of {height}x{width}: motion needs at least 8x8")
    wanted = {"reference": (reference_latents, 1), "pose": (pose_latents, num_frames)}
    if motion_latents is not None:
        wanted["motion"] = (motion_latents, motion_latents.shape[2])
    for name, (latents, frames) in wanted.items():
        if latents is not None and latents.shape[2:] != (frames, height, width):
            raise ValueError(
                f"{name} latents of {tuple(latents.shape[2:])}, needed: {(frames, height, width)}"
            )


def masked(audio: Sequence[AudioTokens], masks: Tensor | None) -> tuple[AudioTokens, ...]:
    """Each speaker's tokens with their mask, of (speakers, 1 or T, h/2, w/2). Raises ValueError
    where there is not one for each of several speakers."""
    if masks is None:
        if len(audio) > 1:
            raise ValueError(f"{len(audio)} speakers: give a mask for each")
        return tuple(audio)
    if len(masks) != len(audio):
        raise ValueError(f"{len(masks)} masks for {len(audio)} speakers")
    flat = masks.float().flatten(2).unsqueeze(-1)
    return tuple(each._replace(mask=mask) for each, mask in zip(audio, flat, strict=True))


def check_audio(audio: Sequence[AudioTokens], latent_size: Sequence[int]) -> None:
    """Raises ValueError where the sound makes tokens for another number of latent frames, or a mask
    is of another size."""
    num_frames, height, width = latent_size
    tokens = (height // 2) * (width // 2)
    for each in audio:
        if each.global_token.shape[1] != num_frames:
            raise ValueError(
                f"sound for {each.global_token.shape[1]} latent frames, "
                f"the latents have {num_frames}: give 4 audio frames for each"
            )
        if each.mask is not None and each.mask.shape not in (
            (1, tokens, 1),
            (num_frames, tokens, 1),
        ):
            raise ValueError(
                f"a mask of {tuple(each.mask.shape[:2])} frames and tokens, needed: "
                f"{(num_frames, tokens)}, or one frame for all"
            )
