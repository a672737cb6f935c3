"""Fetches published weight files, when asked, and checks them. The only place that uses a network.

Files come through huggingface_hub: a broken download goes on where it stopped, and mirrors work
(`HF_ENDPOINT`). What decides whether a file is the right one stands in `evidence`.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from soundreel.engines.wan.files.catalog import FOLDERS, Published, published_named, slot_named
from soundreel.engines.wan.files.evidence import (
    Evidence,
    Lock,
    Verdict,
    evidence_of,
    locks_above,
)
from soundreel.engines.wan.files.formats import recognise
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.files.places import hub_cache
from soundreel.errors import EngineUnavailable, InputError, WorkError, mention
from soundreel.installation import install_command

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,99}")

T = TypeVar("T")

Report = Callable[[str], None]


def missing_files(files: Iterable[Published], found: Iterable[Found]) -> list[Published]:
    """Those that do not lie on this machine under their own name, whole and of the right kind."""
    here = {(item.path.name, item.kind) for item in found if not item.problem}
    return [file for file in files if (file.name, slot_named(file.slot).kind) not in here]


def pull(
    files: Iterable[Published],
    folder: Path | None,
    report: Report,
    environ: Mapping[str, str] = os.environ,
    revision: str | None = None,
) -> list[Path]:
    """Fetch files into `folder` (laid out as ComfyUI's models folder) or into the hub's cache.

    revision: branch, tag or commit of their repositories; None is the newest.
    Raises EngineUnavailable where the network or the repository fails, WorkError where the disk is
    too small or what is offered or came is another file, InputError.
    """
    if revision is not None and not _REVISION.fullmatch(revision):
        raise InputError(
            f"{revision!r} is not a revision", hint="give a branch, a tag or a commit, e.g. main"
        )
    source = _Source(environ.get("HF_ENDPOINT") or None, revision)
    return [_pull_one(file, folder, report, environ, source) for file in files]


@dataclass(frozen=True, slots=True)
class _Source:
    endpoint: str | None
    revision: str | None


def _pull_one(
    file: Published,
    folder: Path | None,
    report: Report,
    environ: Mapping[str, str],
    source: _Source,
) -> Path:
    lock = Lock(folder or hub_cache(environ))
    known = evidence_of(file, lock.kept(file, source.revision))
    about = _asked(file, lambda hub: hub.get_hf_file_metadata(_url(hub, file, source)))
    stated = about.etag if about.etag and _SHA256.fullmatch(about.etag) else ""
    _refuse(file, known.offer_problem(about.size, stated), "nothing was fetched")
    _check_space(file, about.size or file.size, lock.path.parent)
    report(f"fetching {file.name} ({_gb(about.size or file.size)}) from {file.repo}")
    where = {"cache_dir": hub_cache(environ)} if folder is None else {"local_dir": folder}
    path = Path(
        _asked(
            file,
            lambda hub: hub.hf_hub_download(
                file.repo,
                file.path,
                endpoint=source.endpoint,
                revision=source.revision,
                **where,
            ),
        )
    )
    verdict = _checked(file, path, known, stated)
    if not known.hashes:
        lock.keep(file, source.revision, verdict.sha256)
    kept = "" if known.hashes else f"; its SHA-256 is kept in {lock.path}"
    report(f"checked {file.name}: {verdict.text}{kept}")
    return path if folder is None else _placed(path, file, folder)


def verify(found: Found) -> Verdict:
    """Compare a file with what is known of it: see `evidence`. Raises InputError (lock file)."""
    file, path = published_named(found.path.name), found.path
    kept = [digest for lock in locks_above(path) if file for digest in lock.kept_of_any(file)]
    known = evidence_of(file, tuple(kept))
    blob = path.resolve().name
    if not known.hashes and _SHA256.fullmatch(blob):  # the hub's cache names files by their hash
        known = replace(known, hashes=(blob,), source="the one that the hub stated")
    return known.judge(path)


def _checked(file: Published, path: Path, known: Evidence, stated: str) -> Verdict:
    """The verdict of a file that may be used. One that may not is deleted: raises WorkError."""
    verdict = known.judge(path)
    problem = "" if verdict.ok is not False else verdict.text
    if not problem and stated and verdict.sha256 != stated:
        problem = f"it came damaged: SHA-256 {verdict.sha256[:12]}..., stated was {stated[:12]}..."
    if not problem:
        found = recognise(read_header(path))
        wanted = slot_named(file.slot).kind
        problem = "" if found is wanted else f"it is a {found.value}, not a {wanted.value}"
    if problem:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    _refuse(file, problem, "it was deleted")
    return verdict


def _refuse(file: Published, problem: str, done: str) -> None:
    if problem:
        raise WorkError(
            f"{file.repo}/{file.path} is not the file that is known: {problem}; {done}",
            hint="run the same command again; where it stays so, the repository or mirror "
            f"(HF_ENDPOINT) has another file: name the commit that had ours, {mention('revision')}",
        )


def _check_space(file: Published, size: int, folder: Path) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise WorkError(
            f"{file.name} takes {_gb(size)}, {_gb(free)} are free in {existing}",
            hint=f"name another folder: {mention('to')}",
        )


def _placed(path: Path, file: Published, folder: Path) -> Path:
    """From the repository's own sub-folders into ComfyUI's."""
    target = folder / FOLDERS[slot_named(file.slot).kind] / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    path = path.replace(target) if path != target else path
    for emptied in (folder / file.path).parents:
        if emptied == folder or any(emptied.iterdir()):
            break
        emptied.rmdir()
    return path


def _url(hub: ModuleType, file: Published, source: _Source) -> str:
    return str(
        hub.hf_hub_url(file.repo, file.path, endpoint=source.endpoint, revision=source.revision)
    )


def _asked(file: Published, ask: Callable[[ModuleType], T]) -> T:
    """Ask the hub; its many errors become one of ours."""
    try:
        import huggingface_hub as hub
    except ImportError as err:
        raise EngineUnavailable(
            "huggingface_hub is not installed", hint=install_command("wan")
        ) from err
    try:
        return ask(hub)
    except Exception as err:  # the hub's own, of its HTTP library (which changes), of the disk
        if isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise WorkError(
                f"cannot write {file.name}: {err}", hint=f"name another folder: {mention('to')}"
            ) from err
        gone = isinstance(err, hub.errors.HfHubHTTPError) and err.response.status_code < 500
        raise EngineUnavailable(
            f"cannot fetch {file.repo}/{file.path}: {str(err).splitlines()[0]}",
            hint=f"the repository does not give it: look at https://huggingface.co/{file.repo}"
            if gone
            else "check the network, then run the same command again: it goes on where it stopped",
        ) from err


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size else "size not stated"
