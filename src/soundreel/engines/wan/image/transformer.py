"""Wan 2.2 I2V: the diffusion transformer that makes latents from noise, text and pictures.

    model = WanI2VTransformer3DModel(**config)            # 14B by default
    conditioning = model.prepare(text, latent_size=(T, h, w))     # text (1, L, text_dim), L <= 512
    velocity = model(latents, timestep, conditioning)     # (1, 36, T, h, w) -> (1, 16, T, h, w)

Its input are the noisy latents with those of the pictures beside them (`conditioning`). What it is
made of is the S2V transformer's without the sound: block, head, places and numbers are the same,
and so are the parameters' names, which all files in the wild have (official, ComfyUI's, GGUF,
LoRAs). A block works along the tokens in pieces, so a pass takes a fraction of the memory that
diffusers' WanTransformer3DModel takes, with which it is compared in the tests.

Source: Wan-Video/Wan2.2, wan/modules/model.py; defaults: wan/configs/wan_i2v_A14B.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import RotaryTable, rotations
from soundreel.engines.wan.model.blocks import WanS2VHead, WanS2VTransformerBlock
from soundreel.engines.wan.model.conditioning import pad_text
from soundreel.engines.wan.model.layers import FP32Linear, Linear
from soundreel.engines.wan.model.rope import rotary_table
from soundreel.engines.wan.model.transformer import latents_of, sinusoid
from soundreel.engines.wan22 import TEXT_TOKENS


@dataclass(frozen=True)
class TextConditioning:
    """What all steps share. text: (1, text_len, dim) in the model's dtype; rotary_emb: cosine and
    sine of all tokens; latent_size: (T, h, w) for which it was made."""

    text: Tensor
    rotary_emb: RotaryTable
    latent_size: tuple[int, int, int]


class WanI2VTransformer3DModel(nn.Module):
    """See the module's docstring. Arguments are those of WanS2VTransformer3DModel."""

    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 36,
        out_channels: int = 16,
        text_dim: int = 4096,
        text_len: int = TEXT_TOKENS,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        self.patch_size, self.text_len = patch_size, text_len
        self.head_dim, self.freq_dim = attention_head_dim, freq_dim
        self.patch_embedding = nn.Conv3d(in_channels, dim, patch_size, stride=patch_size)
        self.text_embedding = nn.Sequential(
            Linear(text_dim, dim), nn.GELU(approximate="tanh"), Linear(dim, dim)
        )
        self.time_embedding = nn.Sequential(
            FP32Linear(freq_dim, dim), nn.SiLU(), FP32Linear(dim, dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), FP32Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(
            WanS2VTransformerBlock(dim, ffn_dim, num_attention_heads, eps)
            for _ in range(num_layers)
        )
        self.head = WanS2VHead(dim, out_channels * math.prod(patch_size), eps)

    def prepare(self, text: Tensor, latent_size: tuple[int, int, int]) -> TextConditioning:
        """What all steps of a pass with this text (1, L, text_dim) share. Raises ValueError for a
        text that is too long."""
        padded = pad_text(text, self.text_len).to(self._compute_dtype)
        places = rotary_table(
            *latent_size, self.head_dim, reference=False, motion=False, device=text.device
        )
        return TextConditioning(self.text_embedding(padded), places, latent_size)

    def forward(self, hidden_states: Tensor, timestep: Tensor, given: TextConditioning) -> Tensor:
        """Latents of noise and pictures (1, in, T, h, w), timestep (1,) in 0..1000 -> velocity
        (1, out, T, h, w) float32."""
        # 1. Latents to tokens: (1, n, dim) float32.
        embedded = self.patch_embedding(hidden_states.to(self._compute_dtype))
        tokens = embedded.flatten(2).transpose(1, 2).float()
        del embedded

        # 2. Time: the embedding (1, dim), and modulations (1, 2, 6, dim) of two kinds of tokens, of
        # which there is one here.
        temb = self.time_embedding(sinusoid(timestep.to(tokens.device), self.freq_dim))
        modulation = self.time_projection(temb).unflatten(1, (1, 6, -1)).expand(-1, 2, -1, -1)

        # 3. Blocks, then the head; patches back to latents.
        rotary_emb, count = rotations(given.rotary_emb), tokens.shape[1]
        for block in self.blocks:
            tokens = block(tokens, given.text, modulation, rotary_emb, (), count)
        return latents_of(self.head(tokens, temb), given.latent_size, self.patch_size)

    @property
    def _compute_dtype(self) -> torch.dtype:
        """dtype of the matrix products. A convolution's weight is never quantised."""
        return self.patch_embedding.weight.dtype
