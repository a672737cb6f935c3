"""Where bodies are read: what is asked for, whether it can be made, what it would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundreel.config import Settings
from soundreel.documents.failures import error_json
from soundreel.errors import InputError
from soundreel.farm.child import ChildFailed
from soundreel.farm.shares import addresses_of
from soundreel.web.asked.asked import Asked, named_as_written, read_asked
from soundreel.web.asked.limits import Limits
from soundreel.web.jobs.helpers import Helpers
from soundreel.web.studio import views
from soundreel.web.studio.references import References
from soundreel.web.studio.refusals import Refused
from soundreel.web.studio.scrub import Scrub
from soundreel.web.studio.uploads import Receiver, Upload, Uploads

_OF_A_PART = ("prompt", "negative_prompt", "seed", "image", "input_reference")


class Desk:
    """Thread-safe. All that it refuses it refuses in words for strangers, as Refused."""

    def __init__(self, folder: Path, settings: Settings, limits: Limits) -> None:
        self._settings_here, self._limits = settings, limits
        self._helpers = Helpers(limits.reading_seconds)
        self.uploads = Uploads(folder / "uploads", limits.upload_bytes, self._look_at)
        self._references = References(self.uploads, limits.input_hosts)
        known = [folder / "uploads", folder, settings.work_dir, settings.output_dir]
        folders = [*known, *settings.models_dir, Path.home(), Path.cwd()]
        self.scrub = Scrub(folders, addresses_of(settings.url), self._name_of)

    def close(self) -> None:
        self._helpers.close()

    def read(self, body: Mapping[str, Any], *, from_form: bool = False) -> Asked:
        """What a body asks for, its files uploaded, with a name for people."""
        try:
            asked = read_asked(self._references.resolved(body), from_form=from_form)
        except (InputError, ChildFailed) as err:
            raise self.refusal(err) from err
        return asked if asked.name else replace(asked, name=self._name(asked))

    def keep(self, receiver: Receiver) -> Upload:
        """A file that has come in whole, looked at."""
        try:
            return self.uploads.keep(receiver)
        except (InputError, ChildFailed) as err:
            raise self.refusal(err) from err

    def plan(self, asked: Asked) -> Mapping[str, Any]:
        """As `documents.plans.plan_json` has it."""
        try:
            plan = self._helpers.ask("plan", self.arguments(asked))
        except InputError as err:
            raise self.refusal(named_as_written(err, asked)) from err
        except ChildFailed as err:
            raise self.refusal(err) from err
        if plan["seconds"] > self._limits.seconds:
            raise Refused(
                400,
                "invalid_input",
                f"the video would last {plan['seconds']:g} seconds, and at most "
                f"{self._limits.seconds:g} are allowed here",
                "give a shorter duration",
                param="seconds",
            )
        return plan

    def arguments(self, asked: Asked) -> dict[str, Any]:
        """Of `work.plan`. Raises InputError where an upload is gone."""
        uploads = {key: str(self.uploads.get(key).path) for key in asked.uploads}
        return {
            "asked": asked.document(),
            "uploads": uploads,
            "settings": self._settings_here.document(),
        }

    def part(self, video: str, body: Mapping[str, Any]) -> dict[str, Any]:
        known = ("shot", "chunk", "prompt", "negative_prompt", "seed", "image", "input_reference")
        body = self._references.resolved(body)
        for name in body:
            if name not in known:
                raise Refused(
                    400, "invalid_input", f"a part takes no {name[:40]!r}", param=name[:40]
                )
        said = {"image" if name == "input_reference" else name: v for name, v in body.items()}
        part = {name: said.pop(name, None) for name in ("shot", "chunk")}
        for name, value in part.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise Refused(400, "invalid_input", f"{name} is a number from 1", param=name)
        changes = {name: value for name, value in said.items() if value is not None}
        return {"from": video, **part, "changes": changes}

    def draw_peaks(self, upload: Upload) -> Path:
        """The fine waveform of a sound, drawn when it is first asked for."""
        target = self.uploads.peaks(upload.id)
        if not target.exists():
            arguments = {"path": str(upload.path), "target": str(target)}
            try:
                self._helpers.ask("draw_peaks", arguments)
            except ChildFailed as err:
                raise self.refusal(err) from err
        return target

    def draw_report(self, video: Path) -> Path:
        """A drawing of what the check measures, made when it is first asked for."""
        target = video.with_name("report.png")
        if not target.exists():
            arguments = {"video": str(video), "target": str(target)}
            try:
                self._helpers.ask("draw_report", arguments)
            except ChildFailed as err:
                raise self.refusal(err) from err
        return target

    def refusal(self, error: InputError | ChildFailed) -> Refused:
        clean = self.scrub.document(dict(_document(error)))
        code = clean.get("code") or views.CODES.get(str(clean.get("type")), "internal")
        fields = clean.get("fields", {})
        return Refused(
            _STATUS.get(code, 400),
            code,
            clean["message"],
            clean.get("hint", ""),
            param=next(iter(fields), None),
            fields=fields,
            rule=clean.get("rule", ""),
        )

    def _look_at(self, path: Path) -> Mapping[str, Any]:
        return self._helpers.ask("look_at", {"path": str(path)})

    def _name(self, asked: Asked) -> str:
        """After the sound, or the picture."""
        source = asked.values.get("audio" if asked.kind == "sound" else "image")
        try:
            return self.uploads.get(str(source)).name
        except InputError:
            return ""

    def _name_of(self, digest: str) -> str | None:
        try:
            return self.uploads.get(f"upload_{digest}").name
        except InputError:
            return None


def _document(error: InputError | ChildFailed) -> Mapping[str, Any]:
    return error_json(error) if isinstance(error, InputError) else error.document


_STATUS: Mapping[str, int] = {
    "engine_unavailable": 422,
    "timeout": 422,
    "busy": 429,
    "internal": 500,
}
"""Of HTTP, by the code; all others are a fault of what was asked for."""
