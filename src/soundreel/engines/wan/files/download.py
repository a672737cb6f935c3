"""Fetches published weight files, when asked, and checks them. The only place that uses a network.

Files come through huggingface_hub: a broken download goes on where it stopped, and mirrors work
(`HF_ENDPOINT`). Afterwards the SHA-256 is compared with the one the repository states, and with the
one in the catalog.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from soundreel.engines.wan.files.catalog import FOLDERS, Published, published_named, slot_named
from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.files.places import hub_cache
from soundreel.errors import EngineUnavailable, WorkError, mention

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 2**24

T = TypeVar("T")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a file is what was published; None: nobody published a checksum of it."""

    path: Path
    ok: bool | None
    text: str


def missing_files(files: Iterable[Published], found: Iterable[Found]) -> list[Published]:
    """Those that do not lie on this machine under their own name, whole and of the right kind."""
    here = {(item.path.name, item.kind) for item in found if not item.problem}
    return [file for file in files if (file.name, slot_named(file.slot).kind) not in here]


def pull(
    files: Iterable[Published],
    folder: Path | None,
    report: Report,
    environ: Mapping[str, str] = os.environ,
) -> list[Path]:
    """Fetch files into `folder` (laid out as ComfyUI's models folder) or into the hub's cache.

    Raises EngineUnavailable where the network or the repository fails, WorkError where the disk is
    too small or what came is not what was published.
    """
    return [_pull_one(file, folder, report, environ) for file in files]


def _pull_one(
    file: Published, folder: Path | None, report: Report, environ: Mapping[str, str]
) -> Path:
    endpoint = environ.get("HF_ENDPOINT") or None
    about = _asked(file, lambda hub: hub.get_hf_file_metadata(_url(hub, file, endpoint)))
    _check_space(file, about.size or file.size, folder or hub_cache(environ))
    report(f"fetching {file.name} ({_gb(about.size or file.size)}) from {file.repo}")
    where = {"cache_dir": hub_cache(environ)} if folder is None else {"local_dir": folder}
    path = Path(
        _asked(
            file,
            lambda hub: hub.hf_hub_download(file.repo, file.path, endpoint=endpoint, **where),
        )
    )
    stated = about.etag if about.etag and _SHA256.fullmatch(about.etag) else ""
    _check(path, stated or file.sha256)
    if stated and file.sha256 and stated != file.sha256:
        report(f"{file.name} is newer than the file that this version of soundreel knows")
    return path if folder is None else _placed(path, file, folder)


def verify(found: Found) -> Verdict:
    """Compare a file with the checksums that were published for it."""
    expected = _published(found.path)
    if not expected:
        return Verdict(found.path, None, "no checksum was published; its header is whole")
    actual = sha256(found.path)
    if actual in expected:
        return Verdict(found.path, True, "equals the published file")
    wanted = " or ".join(f"{text[:12]}..." for text in expected)
    return Verdict(found.path, False, f"SHA-256 {actual[:12]}..., published is {wanted}")


def sha256(path: Path) -> str:
    """Of the whole file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _published(path: Path) -> list[str]:
    """From the hub's cache, whose blobs bear their checksum as a name, and from the catalog."""
    blob, known = path.resolve().name, published_named(path.name)
    checksums = [blob] if _SHA256.fullmatch(blob) else []
    return checksums + ([known.sha256] if known is not None and known.sha256 else [])


def _check(path: Path, expected: str) -> None:
    if not expected:
        return
    actual = sha256(path)
    if actual != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise WorkError(
            f"{path.name} came damaged: SHA-256 {actual[:12]}..., published is {expected[:12]}...",
            hint="it was deleted: run the same command again",
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


def _url(hub: ModuleType, file: Published, endpoint: str | None) -> str:
    return str(hub.hf_hub_url(file.repo, file.path, endpoint=endpoint))


def _asked(file: Published, ask: Callable[[ModuleType], T]) -> T:
    """Ask the hub; its many errors become one of ours."""
    try:
        import huggingface_hub as hub
    except ImportError as err:
        raise EngineUnavailable(
            "huggingface_hub is not installed", hint="pip install 'soundreel[wan]'"
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
