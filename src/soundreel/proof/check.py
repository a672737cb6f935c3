"""The proof of a finished file on one screen: `check()`.

facts -> sound, all of it -> pictures, in parts, each held against its sound -> lines with a verdict
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.finished.inspection import probe
from soundreel.options.given import AnyPath
from soundreel.options.table import read_field
from soundreel.proof.rules import colour, level, reaction, samples, seams, stretches, times
from soundreel.proof.rules.reaction import Stretch, follow, lag_at_end
from soundreel.proof.rules.verdict import Line, Word, worst
from soundreel.proof.senses.heard import Heard, listen
from soundreel.proof.senses.seen import Seen, watch
from soundreel.record import to_json


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured, for a drawing of it. heard: None of a video without sound."""

    seen: Seen
    heard: Heard | None
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is said of a video, line by line."""

    video: Path
    against: Path | None
    lines: tuple[Line, ...]
    evidence: Evidence

    @property
    def word(self) -> Word:
        """The worst of the lines: "fail" where one fails."""
        return worst([line.word for line in self.lines])

    @property
    def failed(self) -> bool:
        return self.word == "fail"

    def document(self) -> dict[str, object]:
        """As JSON; places are seconds of the video."""
        return {
            "video": self.video.name,
            **({} if self.against is None else {"against": self.against.name}),
            "verdict": self.word,
            "lines": [to_json(line) for line in self.lines],
            "minutes": [
                {
                    "begin": round(stretch.begin, 3),
                    "end": round(stretch.end, 3),
                    "lag_s": None if stretch.lag is None else round(stretch.lag.seconds, 4),
                    "strength": round(stretch.strength, 3),
                }
                for stretch in self.evidence.stretches
            ],
        }


def check(
    video: AnyPath, against: AnyPath | None = None, control: RunControl | None = None
) -> Proof:
    """Read a finished video as a stranger would and say what is right and wrong about it.

    against: the sound that it was made from; then lost and added samples are found exactly.
    Memory does not grow with the length, but for a hundred bytes a picture. Raises InputError
    where a file cannot be read.
    """
    control = control or RunControl()
    path, source = _path(video), None if against is None else _path(against)
    facts = probe(path)
    if facts.picture is None:
        raise InputError(f"{path.name} has no pictures to check", hint="give a finished video")
    if source is not None and facts.sound is None:
        raise InputError(
            f"{path.name} has no sound to compare with {source.name}",
            hint="give a video with sound, or leave the other one out",
        )
    heard = None if facts.sound is None else listen(path, control)
    seen = Seen(float(facts.picture.duration))
    stretches_found, expected = list[Stretch](), 0.0
    for part in watch(path, facts.picture.duration, facts.picture.num_frames, seen, control):
        if heard is not None:
            found_here = follow(part, heard, expected, control)
            stretches_found.append(found_here)
            expected = lag_at_end(found_here) or expected
    evidence = Evidence(seen, heard, tuple(stretches_found))
    record: Mapping[str, Any] | None = facts.record
    found = list(times.lines(seen, heard, facts.picture, record))
    if source is not None and heard is not None:
        found += samples.lines(heard, source, record, control)
    found += _picture_lines(evidence, record)
    if heard is not None:
        found += level.lines(heard, record)
    return Proof(path, source, tuple(found), evidence)


def _picture_lines(evidence: Evidence, record: Mapping[str, Any] | None) -> Iterator[Line]:
    seen, heard = evidence.seen, evidence.heard
    if heard is not None:
        yield from reaction.lines(evidence.stretches, seen.step)
    borders, shots = times.chunk_starts(record, len(seen.times))
    yield from seams.lines(seen, heard, evidence.stretches, borders, shots)
    yield from colour.lines(seen, heard)
    yield from stretches.lines(seen, heard)


def _path(given: AnyPath) -> Path:
    path = read_field("audio", given)
    assert isinstance(path, Path)
    return path
