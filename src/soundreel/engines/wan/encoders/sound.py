"""From sound to the transformer's audio input: wav2vec2 hidden states, one row a picture.

16 kHz mono -> normalised over the whole clip -> wav2vec2, all hidden states, 50 a second
-> 30 a second (linear) -> one row for each picture, 16 a second.
Source of the steps: Wan-Video/Wan2.2, wan/modules/s2v/audio_encoder.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from soundreel.engines.wan22 import PICTURE_RATE, SAMPLE_RATE
from soundreel.events import RunControl
from soundreel.timeline.grid import samples_between
from soundreel.types import AudioClip

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

FEATURE_RATE = 30
HIDDEN_RATE = 50
"""wav2vec2 gives one hidden state for every 320 samples."""

ONE_PASS_SECONDS = 61
"""A minute of clip, and the sound just before it that drives dropped pictures."""

WINDOW_SECONDS = 30
OVERLAP_SECONDS = 5

_VARIANCE_FLOOR = 1e-7  # transformers' Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm


@dataclass(frozen=True)
class Sound:
    """A stretch of mono sound at 16 kHz; `read(first, count)` gives float32 samples of it.

    whole: the same stretch before parts of it were made silent; None where it is whole.
    """

    num_samples: int
    read: Callable[[int, int], NDArray[np.float32]]
    whole: Sound | None = None

    def blocks(self, size: int = SAMPLE_RATE * ONE_PASS_SECONDS) -> Iterator[NDArray[np.float32]]:
        for first in range(0, self.num_samples, size):
            yield self.read(first, min(size, self.num_samples - first))


def clip_sound(
    clip: AudioClip, start: Fraction, duration: Fraction, control: RunControl | None = None
) -> Sound:
    """The sound in [start, start + duration) of the clip's file: silence where it has none."""
    whole = clip_sound(replace(clip, silent=()), start, duration, control) if clip.silent else None
    from soundreel.audio.segment import read_clip

    def read(first: int, count: int) -> NDArray[np.float32]:
        begin = start + Fraction(first, SAMPLE_RATE)
        length = Fraction(count, SAMPLE_RATE)
        samples = read_clip(clip, begin, length, rate=SAMPLE_RATE, mono=True, control=control)
        return np.asarray(samples[0], np.float32)

    return Sound(samples_between(start, start + duration, SAMPLE_RATE), read, whole)


class AudioEncoder:
    """wav2vec2 that gives all its hidden states, the last one after the final norm."""

    def __init__(self, model: Wav2Vec2Model) -> None:
        self.model = model.train(False).requires_grad_(False)

    @torch.no_grad()
    def hidden_states(self, wave: NDArray[np.float32]) -> Tensor:
        """(layers + 1, frames, width), float32 on the CPU, of a normalised wave (samples,)."""
        parameter = next(self.model.parameters())
        values = torch.from_numpy(wave)[None].to(parameter.device, parameter.dtype)
        out = self.model(values, output_hidden_states=True)
        # transformers 5 leaves the final layer norm out of hidden_states[-1] that 4 puts there;
        # last_hidden_state has it in both.
        states = (*out.hidden_states[:-1], out.last_hidden_state)
        return torch.cat(states).float().cpu()

    def count_frames(self, samples: int) -> int:
        """Hidden states that `samples` give: every convolution without padding."""
        config = self.model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = max(0, (samples - kernel) // stride + 1)
        return samples

    @property
    def shape(self) -> tuple[int, int]:
        """(layers + 1, width) of one row."""
        config = self.model.config
        return config.num_hidden_layers + 1, config.hidden_size


class SoundFeatures:
    """Audio input for any pictures of one stretch of sound; memory does not grow with the sound.

    Up to a minute is encoded in one pass, as the official code does, and the encoder is let go.
    Longer sound is encoded in windows of 30 s when a chunk needs them, overlapping by 5 s so that
    every row has 2.5 s of sound on both sides; the normalisation is that of the whole stretch, as
    loud as it was before parts of it were made silent: what is left of it would become louder.
    resident: see `Components.resident`. fps: rate of the pictures.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        sound: Sound,
        resident: Callable[[nn.Module], AbstractContextManager[None]] = lambda _: nullcontext(),
        fps: Fraction = Fraction(PICTURE_RATE),
    ) -> None:
        self._encoder: AudioEncoder | None = encoder
        self._resident = resident
        self._sound = sound
        self._fps = fps
        self._shape = encoder.shape
        self.frames = encoder.count_frames(sound.num_samples)
        self.rows = int(self.frames / HIDDEN_RATE * FEATURE_RATE)  # the official expression
        self.windows = count_windows(self.frames, sound.num_samples)
        self._mean, self._deviation = statistics(sound.whole or sound)
        self._held: tuple[int, Tensor] | None = None
        if self.windows == 1 and self.rows:
            self._held = (0, self._encode(0))
            self._encoder = None

    def pictures(self, first: int, count: int) -> Tensor:
        """Audio input (1, layers + 1, width, count) of `count` pictures from picture `first` on.

        Zeros where the sound has ended.
        """
        return (
            self.features(picture_rows(first, count, self._fps)).permute(1, 2, 0)[None].contiguous()
        )

    def features(self, rows: list[int]) -> Tensor:
        """30 fps features (len(rows), layers + 1, width); zeros for a row past the end."""
        out = torch.zeros(len(rows), *self._shape)
        inside = [place for place, row in enumerate(rows) if row < self.rows]
        if not inside:
            return out
        low, weight = self._positions(torch.tensor([rows[place] for place in inside]))
        high = (low + 1).clamp(max=self.frames - 1)
        weight = weight[:, None, None]
        # Both at once: one after the other would encode both windows of a seam twice.
        before, after = self._states(torch.cat([low, high])).chunk(2)
        out[inside] = (1 - weight) * before + weight * after
        return out

    def _positions(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Where 30 fps rows lie between hidden states (linear, corners aligned): (index, weight).

        One pass computes in float32 as `torch.nn.functional.interpolate` does, to equal it.
        """
        exact = torch.float32 if self.windows == 1 else torch.float64
        last = torch.tensor(max(self.rows - 1, 1), dtype=exact)
        position = torch.tensor(self.frames - 1, dtype=exact) / last * rows.to(exact)
        low = position.long()
        return low, (position - low).float()

    def _states(self, frames: Tensor) -> Tensor:
        """Hidden states (n, layers + 1, width) of 50 fps frames, each from its own window."""
        out = torch.empty(len(frames), *self._shape)
        window = window_of(frames, self.windows)
        for index in sorted(set(window.tolist())):
            mask = window == index
            states = self._window(index)
            out[mask] = states[:, frames[mask] - index * _HOP].transpose(0, 1)
        return out

    def _window(self, index: int) -> Tensor:
        if self._held is None or self._held[0] != index:
            self._held = (index, self._encode(index))
        return self._held[1]

    def _encode(self, index: int) -> Tensor:
        encoder = self._encoder
        assert encoder is not None
        first = index * _HOP * _STRIDE
        left = self._sound.num_samples - first
        count = left if self.windows == 1 else min(WINDOW_SECONDS * SAMPLE_RATE, left)
        wave = (self._sound.read(first, count) - self._mean) / self._deviation
        with self._resident(encoder.model):
            return encoder.hidden_states(wave.astype(np.float32))


_STRIDE = SAMPLE_RATE // HIDDEN_RATE
_HOP = (WINDOW_SECONDS - OVERLAP_SECONDS) * HIDDEN_RATE
_OVERLAP = OVERLAP_SECONDS * HIDDEN_RATE


def picture_rows(first: int, count: int, fps: Fraction) -> list[int]:
    """The 30 fps row of each picture at 16 fps: round(i / 16 * 30), half to even."""
    ratio = FEATURE_RATE / fps
    return [round(picture * ratio) for picture in range(first, first + count)]


def count_windows(frames: int, samples: int) -> int:
    """Passes that the sound takes; the last window is never shorter than the overlap."""
    if samples <= ONE_PASS_SECONDS * SAMPLE_RATE:
        return 1
    return -(-(frames - _OVERLAP) // _HOP)


def window_of(frames: Tensor, windows: int) -> Tensor:
    """The window that gives each hidden state: they change in the middle of the overlap."""
    return ((frames - _OVERLAP // 2).div(_HOP, rounding_mode="floor")).clamp(0, windows - 1)


def statistics(sound: Sound) -> tuple[np.float32, np.float32]:
    """Mean and sqrt(variance + 1e-7) of the whole sound, which is read once, in blocks.

    Sound of one pass is summed in float32, as transformers' feature extractor does, to equal it:
    the 24 layers make 2e-5 of the last bit's difference.
    """
    if 0 < sound.num_samples <= ONE_PASS_SECONDS * SAMPLE_RATE:
        whole = sound.read(0, sound.num_samples)
        return whole.mean(), np.sqrt(whole.var() + _VARIANCE_FLOOR)
    total = squares = 0.0
    for block in sound.blocks():
        exact = block.astype(np.float64)
        total += float(exact.sum())
        squares += float(np.square(exact).sum())
    count = max(sound.num_samples, 1)
    mean = total / count
    variance = max(squares / count - mean * mean, 0.0)
    return np.float32(mean), np.float32(np.sqrt(variance + _VARIANCE_FLOOR))


def audio_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """transformers' names of wav2vec2's tensors: without prefix, head and training mask."""
    tensors = {_current_name(key.removeprefix("wav2vec2.")): value for key, value in state.items()}
    return {key: value for key, value in tensors.items() if key.startswith(_PARTS)}


def audio_config(tensors: Mapping[str, Tensor]) -> dict[str, object]:
    """Fields of transformers' Wav2Vec2Config, read from tensors named as `audio_keys` gives them.

    What they do not show is as in jonatasgrosman/wav2vec2-large-xlsr-53-english.
    """
    direction = tensors[f"{_POSITIONS}.parametrizations.weight.original1"]
    layers = {key.split(".")[2] for key in tensors if key.startswith("encoder.layers.")}
    inner = tensors["encoder.layers.0.feed_forward.intermediate_dense.weight"]
    convolutions = [
        tensors[f"feature_extractor.conv_layers.{index}.conv.weight"].shape[0] for index in range(7)
    ]
    return {
        "hidden_size": direction.shape[0],
        "intermediate_size": inner.shape[0],
        "num_hidden_layers": len(layers),
        "num_conv_pos_embedding_groups": direction.shape[0] // direction.shape[1],
        "conv_dim": convolutions,
        "num_attention_heads": 16,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
    }


def audio_model(config: Mapping[str, object]) -> Wav2Vec2Model:
    """transformers' wav2vec2 without its training mask, not yet filled."""
    no_mask = {"apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
    return Wav2Vec2Model(Wav2Vec2Config.from_dict({**config, **no_mask}))


def build_audio_encoder(
    state: Mapping[str, Tensor], config: Mapping[str, object] | None = None
) -> AudioEncoder:
    """wav2vec2, in float32, from a checkpoint's tensors.

    config: fields of Wav2Vec2Config that differ from those of the tensors and the large model.
    Raises KeyError naming missing and unknown tensors.
    """
    tensors = audio_keys(state)
    model = audio_model({**audio_config(tensors), **(config or {})})
    result = model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise KeyError(
            f"wav2vec2: missing {result.missing_keys[:8]}, unknown {result.unexpected_keys[:8]}"
        )
    return AudioEncoder(model)


_PARTS = ("feature_extractor.", "feature_projection.", "encoder.")
_POSITIONS = "encoder.pos_conv_embed.conv"


def _current_name(key: str) -> str:
    """torch 2 calls the two tensors of a weight norm otherwise than torch 1."""
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        key = key.replace(f"{_POSITIONS}.{old}", f"{_POSITIONS}.parametrizations.weight.{new}")
    return key
