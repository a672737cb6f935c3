"""Options of the preview engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Fit = Literal["auto", "fill", "whole", "blur", "crop"]

LookName = Literal[
    "flow", "rings", "bars", "ring-bars", "waveform", "particles", "tunnel", "vinyl", "card",
    "minimal",
]  # fmt: skip

_FIT = (
    "the image in the video: fill (borders cut; crop is the same), whole (artwork: neither cut, "
    "moved nor dimmed), blur (on a blurred surround); auto: whole for transparent or flat "
    "pictures, else blur"
)


class PreviewOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    PER_SHOT: ClassVar[frozenset[str]] = frozenset(
        {"fit", "look", "motion", "mouth", "palette", "strength"}
    )

    look: LookName = Field(
        default="flow",
        description="what is drawn; flow: the picture that the prompt's words describe",
    )
    background: str | Path | None = Field(
        default=None,
        description="beneath a look: an image, or a colour by name or code (teal, #20c0ff)",
    )
    fit: Fit = Field(default="auto", description=_FIT)
    motion: Literal["off", "gentle", "full"] = Field(
        default="full",
        description="how the camera moves over the image; off: only light answers the sound",
    )
    palette: str = Field(
        default="auto",
        description="a palette's name, or colours by name or code: neon, or teal,#20c0ff (auto: by "
        "prompt, image, sound)",
    )
    strength: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="of the picture's answer to the sound, 0 to 2",
    )
    mouth: str = Field(
        default="auto",
        description="let the face in the image speak: auto (look for a face), off, or the mouth's "
        "x,y,w,h in pixels of the image",
    )

    fade: float | None = Field(
        default=None,
        ge=0,
        le=60,
        description="seconds that the light takes to go down at the end and, half a second at "
        "most, to come up at the start; 0 is none; if not given: none for speech, else 1.6",
    )

    @property
    def speaks_by_box(self) -> bool:
        """Whether the user marked a mouth."""
        return self.mouth not in ("auto", "off")

    @field_validator("background")
    @classmethod
    def _colour_or_file(cls, value: str | Path | None) -> str | Path | None:
        from soundreel.engines.preview.look.palettes import COLOURS

        if value is None or isinstance(value, Path):
            return value
        word = value.strip().lower()
        if word in COLOURS or re.fullmatch("#[0-9a-f]{6}", word):
            return word
        if word.startswith("#") and not Path(value).exists():
            reason = "a colour's code has six digits: #20c0ff"
            raise PydanticCustomError("background", "{reason}", {"reason": reason})
        return Path(value)

    @field_validator("palette")
    @classmethod
    def _known_palette(cls, value: str) -> str:
        from soundreel.engines.preview.look.composition import read_palette

        try:
            read_palette(value)
        except ValueError as err:
            raise PydanticCustomError("palette", "{reason}", {"reason": str(err)}) from err
        return value

    @field_validator("mouth")
    @classmethod
    def _known_mouth(cls, value: str) -> str:
        from soundreel.engines.preview.portrait.face import parse_mouth

        try:
            parse_mouth(value)
        except ValueError as err:
            raise PydanticCustomError("mouth", "{reason}", {"reason": str(err)}) from err
        return value


class PreviewImageOptions(PreviewOptions):
    """Of a video of an image: it fills the frame, and is seen in full light from first to last."""

    fit: Fit = Field(default="fill", description=_FIT)
    fade: float | None = Field(
        default=0.0,
        ge=0,
        le=60,
        description="seconds that the light takes to go down at the end, and up at the start; 0, "
        "the default, is none",
    )
