"""The config.json beside a model: the few fields that decide anything here, each within bounds.

Widths and depths are read from the weights themselves; a file from elsewhere must not make a model
of a million layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundreel.engines.wan.files.headers import FETCH_AGAIN
from soundreel.engines.wan.files.limits import MAX_CONFIG, faults_of, read_json_object
from soundreel.errors import InputError

Count = Annotated[int, Field(ge=1, le=256)]
Factor = Annotated[int, Field(ge=1, le=64)]
Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Word = Annotated[str, Field(max_length=64)]
Few = Field(min_length=1, max_length=64)


class _Fields(BaseModel):
    """Of a file that has more; None is what the library takes by itself."""

    model_config = ConfigDict(extra="ignore", strict=True)


class VaeFields(_Fields):
    """Of diffusers' AutoencoderKLWan."""

    base_dim: Annotated[int, Field(ge=1, le=1024)] | None = None
    z_dim: Count | None = None
    dim_mult: Annotated[list[Factor], Few] | None = None
    num_res_blocks: Annotated[int, Field(ge=1, le=16)] | None = None
    attn_scales: Annotated[list[Number], Field(max_length=64)] | None = None
    temperal_downsample: Annotated[list[bool], Few] | None = None
    latents_mean: Annotated[list[Number], Few] | None = None
    latents_std: Annotated[list[Number], Few] | None = None


class AudioFields(_Fields):
    """Of transformers' Wav2Vec2Config."""

    num_attention_heads: Count | None = None
    num_conv_pos_embeddings: Annotated[int, Field(ge=1, le=4096)] | None = None
    conv_kernel: Annotated[list[Count], Few] | None = None
    conv_stride: Annotated[list[Count], Few] | None = None
    conv_bias: bool | None = None
    do_stable_layer_norm: bool | None = None
    feat_extract_norm: Word | None = None
    feat_extract_activation: Word | None = None
    hidden_act: Word | None = None
    layer_norm_eps: Number | None = None


def config_beside(path: Path) -> dict[str, object] | None:
    """The config.json in the file's folder, where there is one. Raises InputError."""
    config = path.parent / "config.json"
    if not config.is_file():
        return None
    with faults_of(config, "a readable config.json", FETCH_AGAIN):
        return read_json_object(config, MAX_CONFIG)


def vae_fields(path: Path) -> dict[str, object]:
    """Only a diffusers folder's config.json speaks of the VAE; that of an official one does not."""
    config = config_beside(path) or {}
    ours = config.get("_class_name") == "AutoencoderKLWan"
    return _checked(VaeFields, config, path) if ours else {}


def audio_fields(path: Path) -> dict[str, object]:
    return _checked(AudioFields, config_beside(path) or {}, path)


def _checked(model: type[_Fields], config: Mapping[str, object], path: Path) -> dict[str, object]:
    try:
        return model.model_validate(config).model_dump(exclude_none=True)
    except ValidationError as err:
        first = err.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path.parent / 'config.json'}: {name} does not describe a model: {first['msg']}",
            hint=FETCH_AGAIN,
        ) from err
