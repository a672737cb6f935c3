"""Several faces in one picture: one shot, in which each is driven by its own speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from soundreel.audio.silence import FADE, merged
from soundreel.directing.turn_files import Turn
from soundreel.errors import InputError, mention
from soundreel.options.shot_request import ShotRequest
from soundreel.types import AudioClip, Face, Region, Request, Span


def regions_of(cast: Mapping[str, Path | Region]) -> Mapping[str, Region]:
    """Where each speaker of a cast is in one picture; {} where each has a picture. Raises
    InputError where it mixes them."""
    regions = {name: each for name, each in cast.items() if isinstance(each, Region)}
    pictures = [name for name in cast if name not in regions]
    if regions and pictures:
        raise InputError(
            f"{next(iter(regions))} has a place in a picture and {pictures[0]} a picture of their "
            f"own: {mention('cast')} takes one or the other",
            hint=f"give each a place in one picture, {mention(cast=f'{pictures[0]}=@right')}, or "
            "each a picture",
            fields={"cast": list(cast)},
            rule="all have places, or all have pictures",
        )
    return regions


def shot_of_faces(turns: Sequence[Turn], regions: Mapping[str, Region]) -> ShotRequest:
    """One shot over the whole sound. turns: what each says; a face without any is driven by all of
    its sound."""
    faces = [
        Face(
            name=name,
            region=region,
            speaks=merged((turn.start, turn.end) for turn in turns if turn.speaker == name),
        )
        for name, region in regions.items()
    ]
    return ShotRequest(start=Fraction(0), faces=tuple(faces))


def require_tracks(tracks: Mapping[str, Path], names: Sequence[str]) -> None:
    """Raises InputError where a face has no track, or a track no face."""
    for name in names:
        track_of(name, tracks)
    for name in tracks:
        if name not in names:
            raise InputError.about(
                {"cast": list(names)},
                f"there is a track of {name}, and no face",
                f"say where it is: {mention(cast=f'{name}=@right')}",
            )


def track_of(name: str, tracks: Mapping[str, Path]) -> Path:
    """Raises InputError where there is none."""
    if name not in tracks:
        raise InputError.about(
            {"drive": list(tracks)},
            f"there is no track of {name}",
            f"give one: {mention(drive=f'{name}=FILE')}",
        )
    return tracks[name]


def silent_to(request: Request, name: str, clip: AudioClip) -> tuple[Span, ...]:
    """What of a clip is not the sound of a face, in seconds of the heard file; () where all is."""
    shots = request.shot_list
    ends = [*(shot.start for shot in shots[1:]), clip.sound_end + FADE]
    spoken: list[Span] = []
    for shot, end in zip(shots, ends, strict=True):
        for face in shot.faces:
            if face.name == name:
                spans = face.speaks or ((shot.start - FADE, end),)
                spoken += [(max(a, shot.start - FADE), min(b, end)) for a, b in spans]
    edges = [-FADE, *(edge for span in merged(spoken) for edge in span), clip.sound_end + FADE]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return tuple((begin, end) for begin, end in gaps if begin < end)
