"""The values that travel through the flow. All frozen; times are Fraction seconds."""

from __future__ import annotations

from soundreel.options.encoding import Encoding
from soundreel.options.faces import Face, Region
from soundreel.options.shot_request import ShotRequest, Take
from soundreel.options.sizes import Size
from soundreel.types.image_request import (
    DEFAULT_IMAGE_NEGATIVE_PROMPT,
    DEFAULT_IMAGE_PROMPT,
    ImageRequest,
    request_class,
)
from soundreel.types.plan import (
    AudioClip,
    Chunk,
    ChunkGeometry,
    Frame,
    Interpolation,
    Loudness,
    Plan,
    Rgb,
    Shot,
    Span,
)
from soundreel.types.request import (
    COVER_WORDS,
    DEFAULT_NEGATIVE_PROMPT,
    DEFAULT_PROMPT,
    Kind,
    Request,
    for_platform,
    with_values,
)
from soundreel.types.results import Check, Estimate, Interpolated, Result
from soundreel.types.words import Cue, Font, Word, Words

__all__ = [
    "COVER_WORDS",
    "DEFAULT_IMAGE_NEGATIVE_PROMPT",
    "DEFAULT_IMAGE_PROMPT",
    "DEFAULT_NEGATIVE_PROMPT",
    "DEFAULT_PROMPT",
    "AudioClip",
    "Check",
    "Chunk",
    "ChunkGeometry",
    "Cue",
    "Encoding",
    "Estimate",
    "Face",
    "Font",
    "Frame",
    "ImageRequest",
    "Interpolated",
    "Interpolation",
    "Kind",
    "Loudness",
    "Plan",
    "Region",
    "Request",
    "Result",
    "Rgb",
    "Shot",
    "ShotRequest",
    "Size",
    "Span",
    "Take",
    "Word",
    "Words",
    "for_platform",
    "request_class",
    "with_values",
]
