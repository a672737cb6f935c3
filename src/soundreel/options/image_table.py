"""What a request of kind "image" can say: its own rows, and those of the one table that fit it."""

from __future__ import annotations

from soundreel.options.table import REQUEST_OPTIONS, SOUND, read_field, row_of

SOUND_ONLY = frozenset(
    {
        *("cast", "by_section", "separator", "drive", "drive_offset", "gate", "images", "prompts"),
        *("shots", "shot_length", "transition", "turns", "encoding.alpha"),
    }
)
"""What a video of an image does not know: it is one shot that fills the frame, and nothing
drives it."""

_OWN = (
    row_of("image").but(names=(), optional=False, rule="the name of a picture"),
    row_of("image").but(
        fields=("last_frame",), names=("last_frame",), metavar="FILE",
        rule="the name of a picture", help="The picture that it ends with.",
    ),
    row_of("draft").but(
        fields=("last_only",), names=("last_only",),
        help="Give no picture for the beginning: IMAGE is the last one.",
    ),
    row_of("audio").but(
        names=("audio",), panel=SOUND, metavar="FILE", optional=True,
        help="A sound to put under it; if no length is given, it is as long as that.",
    ),
    row_of("start").but(help="Where to start in the sound: 90.5 or 1:30.5."),
    row_of("duration").but(help="How long, in seconds or as a clock says it."),
    row_of("num_frames").but(
        help="Exactly so many pictures (before interpolation); 81, the default, are 5 s at 16 fps, "
        "one pass of the model.",
    ),
    row_of("fit_output").but(
        help="How a picture of another shape comes into the video: cut, with black bars, or on a "
        "blurred copy of itself."
    ),
    row_of("tag").but(default="i2v"),
)  # fmt: skip
_BY_FIELD = {row.fields[0]: row for row in _OWN}

IMAGE_OPTIONS = (
    *_OWN,
    *(row for row in REQUEST_OPTIONS if not {*row.fields} & {*SOUND_ONLY, *_BY_FIELD}),
)


def read_image_field(path: str, value: object) -> object:
    """The value of one field of a request of kind "image". Raises InputError."""
    row = _BY_FIELD.get(path)
    return read_field(path, value) if row is None else row.read(value)
