"""Options of the preview engine."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError


class PreviewOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    PER_SHOT: ClassVar[frozenset[str]] = frozenset({"fit", "mouth"})

    fit: Literal["blur", "crop"] = Field(
        default="blur",
        description="reference image of another shape than the video: blur (the whole image on a "
        "blurred surround) or crop (the video filled, borders cut)",
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

    @field_validator("mouth")
    @classmethod
    def _known_mouth(cls, value: str) -> str:
        from soundreel.engines.preview.portrait.face import parse_mouth

        try:
            parse_mouth(value)
        except ValueError as err:
            raise PydanticCustomError("mouth", "{reason}", {"reason": str(err)}) from err
        return value
