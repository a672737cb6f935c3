"""The one table of what a request can say.

A row makes the flag, the key of the config file, the line of help, and the check of the value,
wherever it comes from: command line, TOML, a record, Python. A new option is a field of
`types.Request` and a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field

from soundreel.errors import InputError, mention
from soundreel.options import kinds, sizes
from soundreel.options.option import Option
from soundreel.options.platforms import PLATFORM_FIELDS, PLATFORMS
from soundreel.options.sizes import SIDE_RULE

SOUND, PICTURE, WORDS, FILE, RUN = "Sound", "Picture", "Words", "Output", "Run"
"""Panels of the help text, in their order."""

REQUEST_OPTIONS: tuple[Option, ...] = (
    Option("audio", kind=kinds.Name, rule="the name of a sound file"),
    Option(
        "image", names=("ref_image", "image"), panel=PICTURE, metavar="FILE|cover|none",
        kind=kinds.Name,
        optional=True, rule="the name of a picture, or cover, or none",
        help="Reference image: who or what is seen; cover is the sound file's own.",
    ),
    Option("cover", kind=kinds.Flag, optional=True, rule="true or false"),
    Option(
        "start", names=("audio_start", "start"), panel=SOUND, metavar="TIME", default="0",
        kind=Annotated[kinds.Seconds, Field(ge=0, le=kinds.MAX_SECONDS)],
        rule=f"a start is 0 or later, at most {kinds.MAX_SECONDS}",
        help="Where to start: 90.5 or 1:30.5.",
    ),
    Option(
        "duration", names=("audio_duration", "duration"), panel=SOUND, metavar="TIME",
        kind=Annotated[kinds.Seconds, Field(gt=0, le=kinds.MAX_SECONDS)], optional=True,
        rule=f"a duration is more than 0 seconds, at most {kinds.MAX_SECONDS}",
        help="How long; without it, to the end.",
    ),
    Option(
        "num_frames", names=("frames",), panel=SOUND, metavar="N",
        kind=Annotated[kinds.Whole, Field(ge=1, le=kinds.MAX_FRAMES)], optional=True,
        rule=f"from 1 to {kinds.MAX_FRAMES} frames",
        help="Exactly so many pictures (before interpolation); 77 are 4.8 s at 16 fps.",
    ),
    Option(
        "drive", names=("drive",), panel=SOUND, metavar="FILE|vocals|NAME=FILE", kind=kinds.Drive,
        many=True, optional=True,
        rule="the name of a sound file, vocals, or each speaker's, as anna=anna.wav",
        help="A sound of the same timeline that steers the picture, such as the singer's stem, "
        "while AUDIO is heard; vocals takes the voice out of it; or each speaker's own track.",
    ),
    Option(
        "separator", names=("separator",), panel=SOUND, metavar="FILE", kind=kinds.Name,
        optional=True,
        rule="the name of a file of weights", default="found in the models folders",
        help=f"Weights of Demucs as .safetensors, for {mention(drive='vocals')}.",
    ),
    Option(
        "drive_offset", names=("drive_offset",), panel=SOUND, metavar="SECONDS|auto", default="0",
        kind=kinds.Offset, rule="write seconds, as 0.25 or -0.25, or auto",
        help="How much later the driving sound comes; auto finds it out.",
    ),
    Option(
        "gate", names=("gate",), panel=SOUND, metavar="DB|off", default="off", kind=kinds.Gate,
        optional=True, rule="write decibels below the loud level, as -40dB, or off",
        help="What lies so far below the driving sound's loud level is silence to the engine, so "
        "that a mouth rests: -40dB.",
    ),
    Option(
        "allow_truncated", names=("allow_truncated",), panel=SOUND, kind=kinds.Flag,
        rule="give true or false",
        help="Use what can be decoded of a sound file that breaks off.",
    ),
    Option(
        "track", names=("track",), panel=SOUND, metavar="N",
        kind=Annotated[kinds.Whole, Field(ge=1, le=kinds.MAX_FRAMES)],
        optional=True, rule="a sound track is 1 or later",
        help="Which sound track of the file; probe lists them.",
    ),
    Option(
        "prompt", names=("positive", "prompt", "p"), panel=PICTURE, metavar="TEXT", kind=kinds.Text,
        rule="a text", help="What the picture shows.",
    ),
    Option(
        "negative_prompt", names=("negative", "negative_prompt", "n"), panel=PICTURE,
        metavar="TEXT", kind=kinds.Text, rule="a text", help="What it must not show.",
    ),
    Option(
        "width", "height", names=("size",), panel=PICTURE, metavar="SIZE", default="832x1216",
        kind=kinds.Size, rule="write e.g. 832x1216",
        help=f"832x1216, any even size, 9:16, 16:9@720, {', '.join(sizes.SIZE_WORDS)}.",
    ),
    Option(
        "width", names=("width",), panel=PICTURE, metavar="N", kind=kinds.Side, rule=SIDE_RULE,
        help="Pixels.",
    ),
    Option(
        "height", names=("height",), panel=PICTURE, metavar="N", kind=kinds.Side, rule=SIDE_RULE,
        help="Pixels.",
    ),
    Option(
        *PLATFORM_FIELDS, names=("for_",), panel=PICTURE, metavar="|".join(PLATFORMS),
        kind=kinds.Platform, rule=f"one of {', '.join(PLATFORMS)}",
        help="Size, rate, loudness and quality that suit it; what you give beside it wins.",
    ),
    Option(
        "render_size", names=("render_size",), panel=PICTURE, metavar="SIZE", kind=kinds.DrawnSize,
        optional=True, rule="write e.g. 832x480", default="as the file, or the nearest",
        help="What the engine draws, where the file shall be larger, or of another shape.",
    ),
    Option(
        "fit_output", names=("fit_output",), panel=PICTURE, metavar="crop|pad|blur",
        default="crop", kind=kinds.FitOutput, rule="crop, pad or blur",
        help="How what is drawn comes into a file of another shape: cut, with black bars, or on "
        "a blurred copy of itself.",
    ),
    Option(
        "draft", names=("draft",), panel=PICTURE, kind=kinds.Flag, rule="give true or false",
        help="Half of each side, a quarter of the pixels; marked in the picture.",
    ),
    Option(
        "seed", names=("seed",), panel=PICTURE, metavar="N", default="-1",
        kind=Annotated[kinds.Whole, Field(ge=-1, le=2**64 - 1)],
        rule="a seed is 0 to 2^64 - 1, or -1 for random",
        help="Same seed, same video; -1 draws one.",
    ),
    Option(
        "shots", names=("shots",), panel=PICTURE, metavar="none|auto|FILE", default="none",
        kind=kinds.Shots, rule="none, auto, or a file that lists the shots",
        help="Cut the video into shots, each with its own prompt, image and seed: auto finds the "
        "cuts in the sound, a list in TOML says all (soundreel plan -o FILE writes one).",
    ),
    Option(
        "shot_length", names=("shot_length",), panel=PICTURE, metavar="MIN-MAX", default="4-12",
        kind=kinds.Bounds, rule="write the least and the most seconds of a shot, as 4-12",
        help=f"Seconds of a shot, for {mention(shots='auto')}; the least, for {mention('turns')}.",
    ),
    Option(
        "transition", names=("transition",), panel=PICTURE, metavar="cut|crossfade:SECONDS",
        default="cut", kind=kinds.Transition,
        rule="write cut, or crossfade and its seconds, as crossfade:0.5",
        help="How a shot gives way to the next: at once, or both pictures mixed for so long.",
    ),
    Option(
        "steady", names=("steady",), panel=PICTURE, metavar="off|colour|full", default="off",
        kind=kinds.Steadiness, rule="off, colour or full",
        help="Keep the colours of a shot as its first part has them, or its sharpness too: models "
        "drift over long takes.",
    ),
    Option(
        "turns", names=("turns",), panel=PICTURE, metavar="FILE|tracks", kind=kinds.Turns,
        optional=True,
        rule="the name of a file that says who speaks when",
        help="Who speaks when, as .rttm, .srt, .vtt or .json: the video is cut to show the "
        "speaker. tracks hears it in their own ones.",
    ),
    Option(
        "cast", names=("cast",), panel=PICTURE, metavar="NAME=FILE|NAME=@PLACE", kind=kinds.Cast,
        many=True, rule="write a speaker and a picture, as anna=anna.png, or a place in one",
        help=f"A speaker's picture, for {mention('turns')}, once for each speaker; or their place "
        "in one of all: @left, @right, a box as @0.1,0.2,0.4,0.9, a mask as @anna.png.",
    ),
    Option(
        "images", names=("images",), panel=PICTURE, metavar="DIR|A,B,...", kind=kinds.Paths,
        rule="name pictures with commas between them, or a folder",
        help="Reference images, handed out over the shots in turn.",
    ),
    Option(
        "prompts", names=("prompts",), panel=PICTURE, metavar="FILE", kind=kinds.Prompts,
        rule="name a text file with a prompt on each line",
        help="Prompts, a line each, handed out over the shots in turn; or prompts in time, "
        "[0:00-0:12] calm sea.",
    ),
    Option(
        "by_section", names=("by_section",), panel=PICTURE, kind=kinds.Flag,
        rule="give true or false",
        help="Hand out images and prompts by the parts of the song: the chorus looks like the "
        "chorus again.",
    ),
    Option(
        "lyrics", names=("lyrics",), panel=WORDS, metavar="FILE", kind=kinds.Name, optional=True,
        rule="the name of a file of lyrics",
        help="Lyrics, as .lrc, .srt, .vtt, .ass or plain text, written into the pictures as they "
        "are sung.",
    ),
    Option(
        "captions", names=("captions",), panel=WORDS, metavar="FILE|auto", kind=kinds.Captions,
        optional=True, rule="the name of a file of captions, or auto",
        help="The same few words at a time, large; the one that is spoken stands out. auto hears "
        "them, where a recogniser is installed.",
    ),
    Option(
        "recogniser", names=("recogniser",), panel=WORDS, metavar="FILE", kind=kinds.Name,
        optional=True, rule="the name of a file of weights", default="found in the models folders",
        help=f"model.bin of a Whisper model for faster-whisper, for {mention(captions='auto')}.",
    ),
    Option(
        "lyrics_mode", names=("lyrics_mode",), panel=WORDS, metavar="burn|soft", default="burn",
        kind=kinds.LyricsMode, rule="burn or soft",
        help="How the words are shown: in the pictures, or as a track of subtitles that the player "
        "can switch off, in mp4, mov and webm.",
    ),
    Option(
        "title", names=("title",), panel=WORDS, metavar="TEXT|tags", kind=kinds.Text,
        optional=True, rule="a text, or tags",
        help="Written at the top; tags is what the sound file says.",
    ),
    Option(
        "artist", names=("artist",), panel=WORDS, metavar="TEXT|tags", kind=kinds.Text,
        optional=True, rule="a text, or tags", help="Written below the title.",
    ),
    Option(
        "artwork", names=("cover",), panel=WORDS, metavar="FILE|tags", kind=kinds.Artwork,
        optional=True, rule="the name of a picture, or tags",
        help="A small picture beside them; tags is the one inside the sound file.",
    ),
    Option(
        "logo", names=("logo",), panel=WORDS, metavar="FILE", kind=kinds.Name, optional=True,
        rule="the name of a picture", help="A picture for the upper right corner, clear where it "
        "is transparent.",
    ),
    Option(
        "font", names=("font",), panel=WORDS, metavar="FILE,...", kind=kinds.Paths,
        rule="name font files with commas between them",
        help="Fonts to write with, asked in turn for each character before the one in the package.",
    ),
    Option(
        "fps", names=("fps",), panel=PICTURE, metavar="RATE", default="the engine's own",
        kind=kinds.Rate, optional=True, rule="a rate lies between 1 and 240 frames a second",
        help="Pictures a second of the output.",
    ),
    Option(
        "interpolate", names=("interpolate",), panel=PICTURE, metavar="auto|none|flow|film|rife",
        default="auto", kind=kinds.Word, rule="name a method, such as flow",
        help=f"How a model's rate becomes {mention('fps')}; film needs `models pull film`, rife "
        "its file.",
    ),
    Option(
        "engine", names=("engine", "e"), panel=RUN, metavar="auto|wan|comfyui|preview",
        default="auto", kind=kinds.Word, rule="name an engine, or auto",
        help="What makes the pictures.",
    ),
    Option(
        "encoding.crf", names=("crf",), panel=FILE, metavar="N",
        default="18; h265 20, av1 26",
        kind=Annotated[kinds.Whole, Field(ge=0, le=51)], optional=True,
        rule="0 (lossless) to 51, 10 to 23 advised",
        help="Quality: 10 to 23 advised, up to 51; 0 is lossless in h264, which few players show.",
    ),
    Option(
        "encoding.codec", names=("codec",), panel=FILE,
        metavar="|".join(get_args(kinds.VideoCodec)),
        default="h264", kind=kinds.VideoCodec, optional=True,
        rule=f"one of {', '.join(get_args(kinds.VideoCodec))}",
        help="How the pictures are stored; h264 plays everywhere, the others are a third smaller.",
    ),
    Option(
        "encoding.encoder", names=("encoder",), panel=FILE,
        metavar="|".join(get_args(kinds.EncoderName)),
        default="cpu", kind=kinds.EncoderName,
        rule=f"one of {', '.join(get_args(kinds.EncoderName))}",
        help="What encodes: cpu gives the same bytes every time, a card's nvenc is quick.",
    ),
    Option(
        "encoding.container", names=("container",), panel=FILE,
        metavar="|".join(get_args(kinds.ContainerName)), default="by the output's name, else mp4",
        kind=kinds.ContainerName, optional=True,
        rule=f"one of {', '.join(get_args(kinds.ContainerName))}",
        help="Kind of file; gif and webp are silent, webm holds AV1 and Opus.",
    ),
    Option(
        "encoding.alpha", names=("overlay",), panel=FILE, kind=kinds.Flag, rule="true or false",
        help="Draw on transparency, to be laid over a film: ProRes 4444 in .mov, VP9 in .webm.",
    ),
    Option(
        "encoding.preset", names=("preset",), panel=FILE, metavar="NAME", default="veryfast",
        kind=kinds.Preset, rule=f"one of {', '.join(get_args(kinds.Preset))}",
        help="Speed of the encoder, ultrafast to veryslow.",
    ),
    Option(
        "encoding.audio_codec", names=("audio_codec",), panel=FILE,
        metavar="|".join(get_args(kinds.AudioCodec)), default="aac", kind=kinds.AudioCodec,
        rule=f"one of {', '.join(get_args(kinds.AudioCodec))}",
        help="How the sound is stored; flac and alac lose nothing, copy keeps the source's own "
        "packets where that is exact.",
    ),
    Option(
        "encoding.audio_bitrate", names=("audio_bitrate",), panel=FILE, metavar="BITS|auto",
        default="auto", kind=kinds.Bitrate, optional=True,
        rule="bits a second, as 192k, or auto",
        help="Bits a second of AAC sound, as 192k; auto is 96k a channel.",
    ),
    Option(
        "encoding.loudness", names=("loudness",), panel=FILE, metavar="LUFS|off", default="off",
        kind=kinds.Loudness, optional=True, rule="a loudness, as -14, or off",
        help="Bring the sound to this loudness (EBU R 128) by one gain, as -14; peaks stay under "
        "-1 dBTP.",
    ),
    Option(
        "tag", names=("settings",), panel=FILE, metavar="TAG", default="s2v", kind=kinds.Tag,
        rule="a short word without spaces and slashes, since it becomes part of the file name",
        help="Short word in the file name.",
    ),
    Option(
        "poster", names=("poster",), panel=FILE, metavar="TIME|auto|none", default="auto",
        kind=kinds.Poster, rule="a time in the video, auto, or none",
        help="Picture that file managers show, in mp4 and mov: of that second; auto is the sound's "
        "cover.",
    ),
    Option(
        "thumbnail", names=("thumbnail",), panel=FILE, kind=kinds.Flag, rule="true or false",
        help="Write a picture beside the video, as .jpg.",
    ),
    Option(
        "output", names=("output", "o"), panel=FILE, metavar="FILE|DIR/", kind=kinds.Name,
        optional=True,
        rule="the name of a file", help="The video to write, or the folder that it goes to.",
    ),
)  # fmt: skip

_BY_FIELD: Mapping[str, Option] = {
    row.fields[0]: row for row in REQUEST_OPTIONS if len(row.fields) == 1
}


def read_field(path: str, value: object) -> object:
    """The value of one field of a request, e.g. "encoding.crf". Raises InputError."""
    return row_of(path).read(value)


def row_of(path: str) -> Option:
    """The row of one field."""
    return _BY_FIELD[path]


def read_size_option(value: object) -> tuple[object, ...]:
    """Width and height from what a person writes for both. Raises InputError."""
    return next(row for row in REQUEST_OPTIONS if row.names == ("size",)).read_many(value)


def read_platform_option(value: object) -> tuple[object, ...]:
    """A value for each of `PLATFORM_FIELDS`. Raises InputError."""
    return next(row for row in REQUEST_OPTIONS if row.fields == PLATFORM_FIELDS).read_many(value)


def read_engine_options(value: object) -> dict[str, object]:
    """Options of an engine by name, as plain values; the engine's own model checks them further.

    Raises InputError.
    """
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError.about({"options": value}, "a table of option names and values")
    for name, item in value.items():
        if not _is_plain(item):
            raise InputError.about(
                {f"options.{name}": item}, "a text, a number, or a list of these"
            )
    return dict(value)


def _is_plain(value: object, depth: int = 4) -> bool:
    """Whether it is what TOML and JSON hold, or a path, not nested deeper than `depth`."""
    if isinstance(value, Mapping):
        return depth > 0 and all(
            isinstance(key, str) and _is_plain(item, depth - 1) for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    if isinstance(value, int):
        return abs(value) < kinds.MAX_WHOLE
    return value is None or isinstance(value, (float, str, Path))
