"""What of a list is to be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soundreel.cli.commands.many.job_list import Entry
from soundreel.cli.commands.many.outcomes import Outcome
from soundreel.cli.flags.arguments import make_request, platform_notice
from soundreel.cli.terminal.say import name
from soundreel.config import Settings
from soundreel.documents.failures import error_json
from soundreel.errors import InputError, SoundreelError
from soundreel.events import Event, Notice
from soundreel.types import Request


@dataclass(frozen=True, slots=True)
class Job:
    """number: its place in the list, from 1; its video has the name `name`. said: what is told
    before it begins."""

    number: int
    entry: Entry
    name: str
    request: Request
    said: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Requests:
    """folder: where the files of a list are looked for first; given: what the command line says."""

    entries: Sequence[Entry]
    folder: Path
    given: Mapping[str, Any]
    config: Path | None
    settings: Settings

    def read(self) -> tuple[list[Outcome], list[Job]]:
        """What is there or cannot be made, and what is to be made."""
        from soundreel import api

        known, jobs, taken = list[Outcome](), list[Job](), set[Path]()
        for number, entry in enumerate(self.entries, 1):
            try:
                request, video, said = self._request(entry, taken)
                if api.is_made(request, self.settings):
                    known.append(Outcome(number, entry, video.name, video.absolute()))
                    continue
            except SoundreelError as err:
                known.append(Outcome(number, entry, entry.place, error=error_json(err)))
                continue
            first = Notice(f"{number} of {len(self.entries)}: {entry.source}")
            jobs.append(Job(number, entry, name(video.name), request, [first, *said]))
        return known, jobs

    def _request(self, entry: Entry, taken: set[Path]) -> tuple[Request, Path, list[Notice]]:
        source, values = entry.read(self.folder)
        given = {**self.given, **values}
        request = make_request(source, given, self.config, kind=entry.kind)
        output = self.settings.output_dir / (request.output or self._name(request))
        while request.output is None and output in taken:
            output = output.with_stem(f"{output.stem}-2")
        if output in taken:
            raise InputError(f"{entry.place}: {output} is the video of another job, too")
        taken.add(output)
        said = platform_notice(given, self.config, request)
        return replace(request, output=output), output, said

    def _name(self, request: Request) -> str:
        """The same in every run: a video that is there is not made again."""
        from soundreel.video.containers import container_of, with_container

        return f"{request.source.stem}.{container_of(with_container(request).encoding).name}"
