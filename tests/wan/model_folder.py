"""A tiny random model in a folder, so that the wan engine runs anywhere in a moment.

    folder = make_model_folder(tmp_path / "models")
    Settings(models_dir=(folder,))

All parts are there with the real structure and random weights: pictures are noise, but they follow
seed, text, sound, image and motion. Sizes are the least that the structure allows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

TEXT_WIDTH, AUDIO_WIDTH, AUDIO_LAYERS, VAE_WIDTH = 16, 16, 2, 2
END_TOKEN = 1


def make_model_folder(folder: Path, seed: int = 0, *, vae_width: int = VAE_WIDTH) -> Path:
    """Write four models and a tokenizer below `folder`; a seed always gives the same weights. A
    wider VAE takes longer, and rounds less."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in _PARTS:
            make_part(folder, name, **({"base_dim": vae_width} if name == "vae" else {}))
    write_tokenizer(folder / "tokenizer")
    write_few_step_lora(folder / "loras")
    return folder


def make_part(folder: Path, name: str, **sizes: int) -> Path:
    """Write one of the four models below `folder`."""
    model = _PARTS[name](**sizes).eval()
    fill_at_random(model)
    model.save_pretrained(folder / name)
    return folder / name


def write_few_step_lora(folder: Path) -> None:
    """The file that the preset `fast` takes, for one layer of the tiny transformer."""
    from safetensors.torch import save_file

    from soundreel.engines.wan22 import FEW_STEP_LORA

    numbers = torch.Generator().manual_seed(4)
    layer = "diffusion_model.blocks.0.self_attn.q"
    tensors = {
        f"{layer}.lora_down.weight": torch.randn(4, 48, generator=numbers),
        f"{layer}.lora_up.weight": torch.randn(48, 4, generator=numbers),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / FEW_STEP_LORA.name)


def _transformer() -> Any:
    from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

    return WanS2VTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        text_dim=TEXT_WIDTH,
        ffn_dim=64,
        num_layers=2,
        audio_dim=AUDIO_WIDTH,
        num_audio_layers=AUDIO_LAYERS + 1,
        audio_inject_layers=(0, 1),
    )


def _vae(base_dim: int = VAE_WIDTH) -> Any:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(base_dim=base_dim, num_res_blocks=1)


def _text_encoder() -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=2 + len(_CHARACTERS),
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return UMT5EncoderModel(config)


def _audio_encoder() -> Any:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=AUDIO_WIDTH,
        num_hidden_layers=AUDIO_LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
        vocab_size=4,
    )
    return Wav2Vec2Model(config)


_PARTS: dict[str, Callable[[], Any]] = {
    "transformer": _transformer,
    "vae": _vae,
    "text_encoder": _text_encoder,
    "audio_encoder": _audio_encoder,
}

_CHARACTERS = "".join(chr(code) for code in range(32, 127))


def fill_at_random(model: nn.Module) -> None:
    """Random numbers of a size that keeps activations near 1; no parameter is left at zero."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 25
            value = torch.randn_like(parameter) * fan_in**-0.5
            scale = name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "gamma"))
            parameter.copy_(value + 1 if scale else value)


def write_tokenizer(folder: Path) -> None:
    """One token for each printable ASCII character, the end token behind."""
    from tokenizers import Tokenizer, models, processors

    vocabulary = {"<unk>": 0, "</s>": END_TOKEN}
    vocabulary |= {character: 2 + index for index, character in enumerate(_CHARACTERS)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", END_TOKEN)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
