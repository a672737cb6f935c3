"""Lengths and time stamps, and whether the file is what its own record says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from soundreel.proof.rules.verdict import Line, places_text
from soundreel.proof.senses.heard import Heard
from soundreel.proof.senses.seen import Floats, Seen
from soundreel.video.reader import VideoInfo

CODEC_FRAME = 1024
"""Samples of an AAC frame: a track of it ends on a whole one."""

GAP = 1.5
"""Of the usual time between pictures: from here on one is missing rather than late."""

EARLY = 0.5
"""Below so much of the usual time a picture is one too many."""

UNEVEN = 0.05
"""Where more than so many of the intervals differ, the file has a rate that varies by design (a
phone's, a screen's), and no single one is a fault."""


def lines(
    seen: Seen, heard: Heard | None, info: VideoInfo, record: Mapping[str, Any] | None
) -> Iterator[Line]:
    if heard is not None:
        yield length(seen, heard)
    yield stamps(seen)
    if record is not None:
        yield compare_record(seen, heard, info, record)


def length(seen: Seen, heard: Heard) -> Line:
    """Picture and sound begin together and end together, to one picture and one codec frame."""
    times, step = seen.times, seen.step
    rate = heard.clip.rate
    begin = float(times[0]) - float(heard.start)
    shown, sounding = float(times[-1] - times[0]) + step, float(heard.clip.duration)
    end = begin + shown - sounding
    allowed = step + CODEC_FRAME / rate + 0.001
    figures = {"picture_s": shown, "sound_s": sounding, "begin_s": begin, "end_s": end}
    said = f"picture {shown:.3f} s, sound {sounding:.3f} s"
    if abs(begin) > step + 0.001:
        who = "picture" if begin > 0 else "sound"
        return Line("length", "fail", f"the {who} begins {abs(begin):.3f} s late; {said}",
                    (max(0.0, begin),), figures)  # fmt: skip
    if end < -allowed:
        place = begin + shown
        return Line("length", "fail", f"the picture ends {-end:.3f} s before the sound; {said}",
                    (place,), figures)  # fmt: skip
    if end > allowed:
        return Line("length", "fail", f"the sound ends {end:.3f} s before the picture; {said}",
                    (sounding,), figures)  # fmt: skip
    return Line("length", "ok", said, (), figures)


def stamps(seen: Seen) -> Line:
    """Every picture a step after the one before."""
    times, step = seen.times, seen.step
    figures = {"pictures": float(len(times)), "step_s": step}
    if len(times) < 3:
        return Line("timestamps", "unknown", f"only {len(times)} picture(s)", (), figures)
    apart = np.diff(times)
    uneven = np.flatnonzero((apart > GAP * step) | (apart < EARLY * step))
    said = f"{len(times)} pictures, one every {step * 1000:.1f} ms"
    if not len(uneven):
        return Line("timestamps", "ok", said, (), figures)
    figures |= {"uneven": float(len(uneven))}
    if len(uneven) > UNEVEN * len(apart):
        share = 100 * len(uneven) / len(apart)
        return Line("timestamps", "note", f"the rate varies: {share:.0f} % of the pictures come "
                    f"early or late; {said}", (), figures)  # fmt: skip
    places = tuple(float(t) - float(times[0]) for t in times[uneven] + step)
    missing = round(float((apart[apart > GAP * step] / step - 1).sum()))
    figures |= {"missing": float(missing)}
    what = f"{missing} missing" if missing else f"{len(uneven)} too many"
    return Line("timestamps", "fail", f"pictures {what} {places_text(places)}; {said}",
                places, figures)  # fmt: skip


def compare_record(
    seen: Seen, heard: Heard | None, info: VideoInfo, record: Mapping[str, Any]
) -> Line:
    """What the file says of itself against what is in it. Records are of any version."""
    said = record.get("plan", {})
    wrong = []
    if (frames := said.get("frames")) is not None and frames != len(seen.times):
        wrong.append(f"{frames} pictures, not {len(seen.times)}")
    if (fps := said.get("fps")) is not None and seen.step:
        found = 1 / seen.step
        if abs(float(Fraction(fps)) - found) > 0.02 * found:
            wrong.append(f"{float(Fraction(fps)):g} pictures a second, not {found:.3g}")
    size = said.get("size")
    if size and tuple(size) != (info.width, info.height):
        wrong.append(f"{size['width']}x{size['height']}, not {info.width}x{info.height}")
    sound = said.get("sound_duration")
    if sound is not None and heard is not None:
        short = float(Fraction(sound)) - float(heard.clip.duration)
        if short > CODEC_FRAME / heard.clip.rate + 0.001:
            wrong.append(f"{short:.3f} s more sound than there is")
    if wrong:
        return Line("record", "fail", f"the file says {'; '.join(wrong)}")
    return Line("record", "ok", "the file is what its record says")


def chunk_starts(record: Mapping[str, Any] | None, count: int) -> tuple[list[int], list[int]]:
    """Pictures with which a chunk begins inside a shot, and those with which a shot begins: known
    only where the file holds as many pictures as the record says."""
    said = {} if record is None else record.get("plan", {})
    if said.get("frames") != count or not said.get("chunks"):
        return [], []
    factor = Fraction((said.get("interpolation") or {}).get("factor", 1))
    kept = [frames for _, frames in said["chunks"]]
    shots = said.get("shots", [[0, sum(kept)]])
    fades, made, inside = [*said.get("crossfades", [0] * len(shots)), 0], iter(kept), []
    for index, (first, frames) in enumerate(shots):  # made from before its cut to after the next
        frame, end = first - fades[index] // 2, first + frames + fades[index + 1] // 2
        while (frame := frame + next(made, end)) < end:
            inside.append(frame)
    cuts = sorted(first for first, _ in shots[1:])
    return _in_file(inside, factor), _in_file(cuts, factor)


def _in_file(frames: list[int], factor: Fraction) -> list[int]:
    """The file's pictures from these of the engine's on."""
    return [-int(-frame * factor // 1) for frame in frames]


def sound_times(times: Floats, heard: Heard) -> Floats:
    """The same moments in the sound's own time."""
    return times - float(heard.start)
