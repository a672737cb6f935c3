"""Wan 2.2 S2V: the diffusion transformer that makes latents from noise, text, sound and pictures.

    model = WanS2VTransformer3DModel(**config)            # 14B by default
    conditioning = model.prepare(                         # once per chunk (and per text)
        encoder_hidden_states,                            # (B, L, text_dim), L <= 512, unpadded
        audio_features,                                   # (B, 25, audio_dim, 4 T), 16 per second;
                                                          # or one such of each speaker
        latent_size=(T, h, w),
        reference_latents=None,                           # (B, C, 1, h, w); None: no such tokens
        motion_latents=None,                              # (B, C, Tm, h, w); None: no such tokens
        pose_latents=None,                                # (B, C, T, h, w); None: zeros
        motion_frames=73,
        audio_masks=None,                                 # (speakers, 1 or T, h/2, w/2)
    )
    velocity = model(latents, timestep, conditioning).sample      # (B, C, T, h, w) float32

For guidance in one pass: `WanS2VConditioning.cat([conditional, unconditional])` with latents of
batch 2. The unconditional audio is zeros of the same shape. A batch of 1 in any input of `prepare`
is repeated. Nothing here turns gradients off: call it under `torch.inference_mode()`.

dtype: matrix products run in the dtype of `patch_embedding` (`model.to(torch.bfloat16)`); time
embedding, modulation, audio encoder, head and residual stream are float32 in any case; rotary
tables are made in float64 and applied in float32.

Names: parameters are named as in the official checkpoint, because every file in the wild (official
shards, ComfyUI, fp8, GGUF, LoRA) uses those names, and diffusers has none for this model. One
exception: an audio injector lives in the block after which it acts (`blocks.4.audio_injector.attn`
and `.adain` for `audio_injector.injector.1` and `.injector_adain_layers.1`), so that tools that
take a block as a unit (offload, device maps, block caches) hold all of its work. `names.py` maps
both ways.

Source: Wan-Video/Wan2.2 at 42bf4cf, wan/modules/s2v/model_s2v.py; arXiv 2508.18621. Defaults:
wan/configs/wan_s2v_14B.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import rotations
from soundreel.engines.wan.model.audio_injector import AudioTokens
from soundreel.engines.wan.model.audio_tokens import WanS2VAudioEncoder
from soundreel.engines.wan.model.blocks import WanS2VHead, WanS2VTransformerBlock
from soundreel.engines.wan.model.conditioning import (
    WanS2VConditioning,
    check_audio,
    check_sizes,
    masked,
    pad_text,
)
from soundreel.engines.wan.model.framepack import WanS2VFramePacker
from soundreel.engines.wan.model.layers import FP32Linear, Linear
from soundreel.engines.wan.model.names import AUDIO_INJECT_LAYERS, FLOAT32_MODULES
from soundreel.engines.wan.model.rope import rotary_table
from soundreel.engines.wan22 import MOTION_FRAMES, TEXT_TOKENS
from soundreel.timeline.grid import latents_for

MASK_NOISY, MASK_REFERENCE, MASK_MOTION = range(3)
"""Rows of `trainable_cond_mask`."""

_EMBEDDERS = (
    *("patch_embedding", "cond_encoder", "frame_packer", "trainable_cond_mask", "text_embedding"),
)


class WanS2VTransformer3DModel(
    ModelMixin,  # type: ignore[misc]
    ConfigMixin,  # type: ignore[misc]
    PeftAdapterMixin,  # type: ignore[misc]
    CacheMixin,  # type: ignore[misc]
    AttentionMixin,  # type: ignore[misc]
):
    """The Wan 2.2 S2V transformer. See the module's docstring for its use.

    patch_size: of the noisy and reference latents (time, height, width).
    num_attention_heads, attention_head_dim: their product is the model's width `dim`.
    text_len: texts are padded with zeros to this length, and the pads are attended.
    audio_dim, num_audio_layers: width and number of the wav2vec2 hidden states.
    num_audio_tokens: local audio tokens of a latent frame; a learned one is added.
    audio_inject_layers: the blocks after which sound is injected.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["WanS2VTransformerBlock"]  # noqa: RUF012
    _repeated_blocks = ["WanS2VTransformerBlock"]  # noqa: RUF012
    _keep_in_fp32_modules = sorted(FLOAT32_MODULES)
    _skip_layerwise_casting_patterns = [*_EMBEDDERS, "norm"]  # noqa: RUF012
    # `prepare` calls these outside of `forward`: each is brought to the device on its own.
    _group_offload_block_modules = [*_EMBEDDERS, "casual_audio_encoder"]  # noqa: RUF012

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        pose_channels: int = 16,
        text_dim: int = 4096,
        text_len: int = TEXT_TOKENS,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        eps: float = 1e-6,
        audio_dim: int = 1024,
        num_audio_layers: int = 25,
        num_audio_tokens: int = 4,
        audio_inject_layers: tuple[int, ...] = AUDIO_INJECT_LAYERS,
    ) -> None:
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        self.text_len = text_len
        self.patch_size = (patch_size[0], patch_size[1], patch_size[2])

        # 1. Latents to tokens
        self.patch_embedding = nn.Conv3d(in_channels, dim, self.patch_size, stride=self.patch_size)
        self.cond_encoder = nn.Conv3d(pose_channels, dim, self.patch_size, stride=self.patch_size)
        self.frame_packer = WanS2VFramePacker(in_channels, dim)
        self.trainable_cond_mask = nn.Embedding(3, dim)

        # 2. Time, text, sound
        self.time_embedding = nn.Sequential(
            FP32Linear(freq_dim, dim), nn.SiLU(), FP32Linear(dim, dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), FP32Linear(dim, 6 * dim))
        self.text_embedding = nn.Sequential(
            Linear(text_dim, dim), nn.GELU(approximate="tanh"), Linear(dim, dim)
        )
        self.casual_audio_encoder = WanS2VAudioEncoder(
            num_audio_layers, audio_dim, dim, num_audio_tokens
        )

        # 3. Blocks and head
        self.blocks = nn.ModuleList(
            WanS2VTransformerBlock(
                dim, ffn_dim, num_attention_heads, eps, inject_audio=index in audio_inject_layers
            )
            for index in range(num_layers)
        )
        self.head = WanS2VHead(dim, out_channels * math.prod(self.patch_size), eps)
        self.gradient_checkpointing = False

    def prepare(
        self,
        encoder_hidden_states: Tensor | Sequence[Tensor],
        audio_features: Tensor | Sequence[Tensor],
        latent_size: tuple[int, int, int],
        reference_latents: Tensor | None = None,
        motion_latents: Tensor | None = None,
        pose_latents: Tensor | None = None,
        motion_frames: int = MOTION_FRAMES,
        audio_masks: Tensor | None = None,
    ) -> WanS2VConditioning:
        """Everything that all sampling steps of a chunk share.

        encoder_hidden_states: (B, L, text_dim) or B texts (L_i, text_dim), without padding.
        audio_features: (B, num_audio_layers, audio_dim, N), 16 a second, N = 4 T pictures; of
            several speakers one such each.
        motion_frames: pictures of the motion buffer, also where `motion_latents` is None.
        audio_masks: (speakers, 1 or T, h/2, w/2), the share of what a speaker's sound adds that
            each token gets, of all latent frames or of each.
        All inputs are on the device where the model runs. Raises ValueError where sizes do not fit.
        """
        check_sizes(latent_size, reference_latents, motion_latents, pose_latents)

        # 1. Text, padded with zeros: (B, text_len, dim).
        text = pad_text(encoder_hidden_states, self.text_len)
        text = self.text_embedding(text.to(self._compute_dtype))

        # 2. Sound: the first picture's features stand for the motion pictures before it.
        speakers = [audio_features] if isinstance(audio_features, Tensor) else audio_features
        tokens = [self._audio_tokens(each, motion_frames) for each in speakers]
        audio = masked(tokens, audio_masks)
        check_audio(audio, latent_size)

        # 3. Tokens of reference and motion, marked as such: (B, r, dim).
        context = [text.new_zeros(1, 0, text.shape[-1], dtype=torch.float32)]
        if reference_latents is not None:
            reference = self._embed(self.patch_embedding, reference_latents)
            context.append(reference + self._mask(MASK_REFERENCE, text.device))
        if motion_latents is not None:
            motion = self.frame_packer(motion_latents.to(self._compute_dtype)).float()
            context.append(motion + self._mask(MASK_MOTION, text.device))

        # 4. Pose and mask of the noisy tokens; without a pose its encoder still adds its bias.
        if pose_latents is None:
            pose_latents = text.new_zeros(1, self.config.pose_channels, *self.patch_size)
        pose = self._embed(self.cond_encoder, pose_latents)
        noisy_embedding = pose + self._mask(MASK_NOISY, text.device)

        # 5. Places.
        rotary_emb = rotary_table(
            *latent_size,
            self.config.attention_head_dim,
            reference=reference_latents is not None,
            motion=motion_latents is not None,
            device=text.device,
        )
        global_tokens = [speaker.global_token for speaker in audio]
        batch = max(part.shape[0] for part in (text, *global_tokens, *context, noisy_embedding))
        return WanS2VConditioning(
            text=text.expand(batch, -1, -1),
            audio=tuple(speaker.expand(batch) for speaker in audio),
            noisy_embedding=noisy_embedding.expand(batch, -1, -1),
            context_tokens=torch.cat([part.expand(batch, -1, -1) for part in context], dim=1),
            rotary_emb=rotary_emb,
            latent_size=latent_size,
        )

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        conditioning: WanS2VConditioning,
        return_dict: bool = True,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """Noisy latents (B, C, T, h, w), timestep () or (B,) in 0..1000 -> (B, C, T, h, w) float32.

        Raises ValueError where the conditioning was made for other latents.
        """
        batch, _, *latent_size = hidden_states.shape
        if tuple(latent_size) != conditioning.latent_size:
            raise ValueError(
                f"latents of {tuple(latent_size)}, conditioning for {conditioning.latent_size}"
            )

        # 1. Tokens: noisy | reference | motion, (B, n + r, dim) float32.
        noisy = self._embed(self.patch_embedding, hidden_states) + conditioning.noisy_embedding
        num_noisy_tokens = noisy.shape[1]
        tokens = torch.cat([noisy, conditioning.context_tokens.expand(batch, -1, -1)], dim=1)
        del noisy

        # 2. Time: t for the noisy tokens, 0 for the others: (B, 2, 6, dim).
        temb, modulation = self._time(timestep.to(tokens.device).expand(batch))

        # 3. Blocks.
        text = conditioning.text.expand(batch, -1, -1)
        audio = tuple(speaker.expand(batch) for speaker in conditioning.audio)
        rotary_emb = rotations(conditioning.rotary_emb)
        for block in self.blocks:
            arguments = (text, modulation, rotary_emb, audio, num_noisy_tokens)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                tokens = self._gradient_checkpointing_func(block, tokens, *arguments)
            else:
                tokens = block(tokens, *arguments)

        # 4. Head on the noisy tokens: (B, n, C pt ph pw); patches back to latents.
        patches = self.head(tokens[:, :num_noisy_tokens], temb)
        sample = latents_of(patches, latent_size, self.patch_size)
        return Transformer2DModelOutput(sample=sample) if return_dict else (sample,)

    def set_audio_strength(self, strength: float) -> None:
        """How strongly the sound acts: a factor of what the injectors add, 1 as trained.

        It is the model's, so that a pass without the sound has it too: guidance multiplies the
        difference of the two.
        """
        for block in cast("Iterable[WanS2VTransformerBlock]", self.blocks):
            if block.audio_injector is not None:
                block.audio_injector.strength = strength

    def attend_in_slices(self) -> None:
        """Let every block take the queries of self-attention in slices, which saves memory."""
        for block in cast("Iterable[WanS2VTransformerBlock]", self.blocks):
            block.in_slices = True

    def enable_cache(self, config: object) -> None:
        """As in diffusers, whose block caches must know what our block takes and returns."""
        from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

        TransformerBlockRegistry.register(
            WanS2VTransformerBlock, TransformerBlockMetadata(return_hidden_states_index=0)
        )
        super().enable_cache(config)

    @property
    def _compute_dtype(self) -> torch.dtype:
        """dtype of the matrix products. A convolution's weight is never quantised."""
        dtype: torch.dtype = self.patch_embedding.weight.dtype
        return dtype

    def _embed(self, convolution: nn.Conv3d, latents: Tensor) -> Tensor:
        """(B, C, T, h, w) -> tokens (B, T h w / patch, dim) float32."""
        embedded: Tensor = convolution(latents.to(self._compute_dtype))
        return embedded.flatten(2).transpose(1, 2).float()

    def _mask(self, kind: int, device: torch.device) -> Tensor:
        """(1, dim) float32, what marks tokens as noisy, reference or motion."""
        embedded: Tensor = self.trainable_cond_mask(torch.tensor([kind], device=device))
        return embedded.float()

    def _audio_tokens(self, audio_features: Tensor, motion_frames: int) -> AudioTokens:
        """The features are encoded with a still lead of `motion_frames`, which is then dropped."""
        lead = audio_features[..., :1].expand(-1, -1, -1, motion_frames)
        tokens = self.casual_audio_encoder(torch.cat([lead, audio_features], dim=-1))
        return AudioTokens(*(part[:, latents_for(motion_frames) :] for part in tokens))

    def _time(self, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) -> time embedding (B, dim) and modulations (B, 2, 6, dim): of t and of 0."""
        times = torch.cat([timestep, timestep.new_zeros(1)])
        temb = self.time_embedding(sinusoid(times, self.config.freq_dim))  # (B + 1, dim)
        modulation = torch.unflatten(self.time_projection(temb), 1, (6, -1))  # (B + 1, 6, dim)
        of_zero = modulation[-1:].expand(len(timestep), -1, -1)
        return temb[:-1], torch.stack([modulation[:-1], of_zero], dim=1)


def latents_of(
    patches: Tensor, latent_size: Sequence[int], patch_size: tuple[int, int, int]
) -> Tensor:
    """(B, n, pt ph pw C), tokens in the order t, h, w -> (B, C, T, h, w)."""
    grid = [size // patch for size, patch in zip(latent_size, patch_size, strict=True)]
    blocks = patches.reshape(len(patches), *grid, *patch_size, -1)
    blocks = blocks.permute(0, 7, 1, 4, 2, 5, 3, 6)  # (B, C, t, pt, h, ph, w, pw)
    return blocks.flatten(6, 7).flatten(4, 5).flatten(2, 3)


def sinusoid(timestep: Tensor, dim: int) -> Tensor:
    """(B,) -> (B, dim) float32: cosines, then sines. Float64 inside, as the official code.

    diffusers' Timesteps works in float32, which is off by up to 6e-5 at t = 1000. Apple's and
    Huawei's devices have no float64.
    """
    half, device = dim // 2, timestep.device
    exact = torch.float32 if device.type in ("mps", "npu") else torch.float64
    exponent = torch.arange(half, dtype=exact, device=device) / half
    angles = torch.outer(timestep.to(exact), 10000.0**-exponent)
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()
