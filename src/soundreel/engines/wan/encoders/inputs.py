"""What is encoded once for a whole plan: each prompt and each reference image of its shots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from soundreel.engines.wan.encoders.faces import face_masks
from soundreel.engines.wan.encoders.pictures import reference_pixels
from soundreel.engines.wan.encoders.sound import AudioEncoder, Sound, SoundFeatures, clip_sound
from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan22 import TEXT_TOKENS
from soundreel.events import Notice, RunControl
from soundreel.media.cover import shot_picture
from soundreel.types import Plan, Shot


@dataclass(frozen=True)
class Reference:
    """latents: (1, 16, 1, h, w). pixels: (1, 3, 1, H, W), as they are to be seen in the motion
    pictures before a shot."""

    latents: Tensor
    pixels: Tensor


@dataclass(frozen=True)
class Inputs:
    """texts: (1, L, width) by prompt, the negative ones of guided shots included."""

    texts: Mapping[str, Tensor]
    sounds: Mapping[str | None, SoundFeatures]
    """By the names of the plan's voices: None is the one sound of shots without several faces."""

    references: Mapping[Path | None, Reference]
    """By the shots' `image`: None is the cover inside the sound, where that is shown."""

    masks: Mapping[int, Tensor]
    """Of `faces.face_masks`, by the index of the shots that have several."""

    def sound(self, shot: Shot, first: int, count: int) -> list[Tensor]:
        """What drives `count` pictures, as `SoundFeatures.pictures`, of each speaker."""
        names: list[str | None] = [face.name for face in shot.faces]
        return [self.sounds[name].pictures(first, count) for name in names or [None]]


def encode_texts(
    encoder: TextEncoder, plan: Plan, guided: set[int], control: RunControl
) -> dict[str, Tensor]:
    """guided: indices of the shots that need their negative prompt."""
    texts: dict[str, Tensor] = {}
    for prompt in dict.fromkeys(chunk.prompt for chunk in plan.chunks):
        texts[prompt] = encoder.encode(prompt)
        if texts[prompt].shape[1] == TEXT_TOKENS:
            name = _name(prompt, plan)
            control.emit(Notice(f"{name} fills {TEXT_TOKENS} tokens: the rest is not used"))
    for shot in plan.shots:
        if shot.index in guided and shot.negative_prompt not in texts:
            texts[shot.negative_prompt] = encoder.encode(shot.negative_prompt)
    return texts


def encode_references(
    vae: WanVae, plan: Plan, control: RunControl, *, official: bool
) -> dict[Path | None, Reference]:
    request, found = plan.request, dict[Path | None, Reference]()
    for image, shot in {shot.image: shot for shot in plan.shots}.items():
        picture = shot_picture(plan, shot)
        if picture is None:
            continue
        pixels = reference_pixels(picture, request.width, request.height, official=official)
        found[image] = Reference(vae.encode(pixels, control.raise_if_cancelled), pixels)
    return found


def encode_sounds(
    encoder: AudioEncoder,
    plan: Plan,
    resident: Callable[[nn.Module], AbstractContextManager[None]],
    control: RunControl,
    given: Sound | None = None,
) -> dict[str | None, SoundFeatures]:
    """Each from the clip's first generated picture to the end of the requested segment. given: in
    place of the one sound of shots without several faces."""
    names: list[str | None] = [*plan.voices]
    if not all(shot.faces for shot in plan.shots):
        names.append(None)
    clips = [plan.audio if name is None else plan.voices[name] for name in names]
    start = plan.sound_start(plan.chunks[0]) - plan.audio.start
    sounds = {
        name: clip_sound(clip, clip.start + start, clip.sound_duration - start, control)
        for name, clip in zip(names, clips, strict=True)
    }
    if given is not None:
        sounds[None] = given
    return {
        name: SoundFeatures(encoder, sound, resident, plan.fps) for name, sound in sounds.items()
    }


def masks_of(plan: Plan, *, official: bool) -> dict[int, Tensor]:
    """Raises InputError where a face is cut off."""
    request, found = plan.request, dict[int, Tensor]()
    for shot in plan.shots:
        picture = shot_picture(plan, shot) if len(shot.faces) > 1 else None
        if picture is not None:
            found[shot.index] = face_masks(
                shot.faces, picture, request.width, request.height, official=official
            )
    return found


def _name(prompt: str, plan: Plan) -> str:
    several = len({chunk.prompt for chunk in plan.chunks}) > 1
    return f"the prompt {prompt[:40]!r}..." if several else "the prompt"
