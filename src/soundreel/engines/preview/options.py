"""Options of the preview engine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PreviewOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: Literal["blur", "crop"] = Field(
        default="blur",
        description="reference image of another shape than the video: blur (the whole image on a "
        "blurred surround) or crop (the video filled, borders cut)",
    )
