"""What decides whether a weight file is the right one.

In this order: the SHA-256 that the catalog pins; that of the first download, kept in a lock file
beside the models; where nothing is known yet, the published size. What a server states about its
own file proves that the transfer was whole, and nothing else: a mirror can state anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from soundreel.engines.wan.files.catalog import Published
from soundreel.engines.wan.files.limits import faults_of, read_json_object
from soundreel.safe.text import json_text
from soundreel.work.files import disk_errors, write_atomic

LOCK = "soundreel-models.lock.json"
_MAX_LOCK = 1_000_000  # bytes
_LEVELS = 6  # folders above a file in which its lock file may lie
_ABOUT = "SHA-256 of each weight file's first download: `soundreel models` compares with it"
_BLOCK = 2**24
_SLACK = 0.06  # of a size that was only published rounded, perhaps in MiB
_SHA256 = re.compile(r"[0-9a-f]{64}")

_ROUGH_SIZES: Mapping[str, int] = {
    # Bytes, as public pages round them; of the other files the catalog has the exact size.
    "wan2.2_s2v_14B_fp8_scaled.safetensors": 16_390_000_000,
    "wan2.2_s2v_14B_bf16.safetensors": 32_600_000_000,
    "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors": 14_290_000_000,
    "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors": 14_290_000_000,
    "Wan2.2-S2V-14B-Q4_0.gguf": 12_800_000_000,
    "Wan2.2-S2V-14B-Q4_K_M.gguf": 13_900_000_000,
    "wav2vec2_large_english_fp16.safetensors": 631_000_000,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a file is the right one; None: nothing was known that could tell. text: what decided.

    sha256: of the file, "" where the size decided already.
    """

    path: Path
    ok: bool | None
    text: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a file. hashes: those that it may have; source: where they come from."""

    hashes: tuple[str, ...] = ()
    source: str = ""
    size: int = 0
    rough_size: int = 0

    def offer_problem(self, size: int | None, sha256: str) -> str:
        """Why what a server offers is another file, by its own words; "" where it may be ours."""
        if self.hashes and sha256 and sha256 not in self.hashes:
            return f"SHA-256 {sha256[:12]}..., {self.source} is {_short(self.hashes)}"
        return self._size_problem(size) if size else ""

    def judge(self, path: Path) -> Verdict:
        """Read the file and compare it."""
        wrong_size = self._size_problem(path.stat().st_size)
        if wrong_size:
            return Verdict(path, False, wrong_size)
        digest = sha256(path)
        if self.hashes:
            if digest in self.hashes:
                return Verdict(path, True, f"its SHA-256 is {self.source}", digest)
            text = f"SHA-256 {digest[:12]}..., {self.source} is {_short(self.hashes)}"
            return Verdict(path, False, text, digest)
        known = "its size is the published one" if self.size else "nothing was published of it"
        known = "its size is near the published one" if self.rough_size else known
        return Verdict(path, None, f"{known}; no checksum of it is known", digest)

    def _size_problem(self, size: int) -> str:
        if self.size and size != self.size:
            return f"{size:,} bytes, published are {self.size:,}"
        if self.rough_size and abs(size - self.rough_size) > _SLACK * self.rough_size:
            return f"{size:,} bytes, published are about {self.rough_size:,}"
        return ""


def evidence_of(file: Published | None, kept: tuple[str, ...]) -> Evidence:
    """The catalog's pin before the hashes that a lock file has `kept`, and the size."""
    size = file.size if file is not None else 0
    rough = _ROUGH_SIZES.get(file.name, 0) if file is not None and not size else 0
    if file is not None and file.sha256:
        return Evidence((file.sha256,), "the pinned one", size, rough)
    if kept:
        return Evidence(kept, f"that of the first download (kept in {LOCK})", size, rough)
    return Evidence((), "", size, rough)


def sha256(path: Path) -> str:
    """Of the whole file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


# --- the lock file ----------------------------------------------------------------------------


class Lock:
    """The hashes of first downloads, in a file of this folder. One entry a file and revision."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK

    def kept(self, file: Published, revision: str | None = None) -> tuple[str, ...]:
        """What was kept for this revision. Raises InputError where the lock file is not one."""
        digest = self._entries().get(_key(file, revision))
        return () if digest is None else (digest,)

    def kept_of_any(self, file: Published) -> tuple[str, ...]:
        """What was kept for it, whatever the revision. Raises InputError."""
        entries = self._entries().items()
        return tuple(digest for key, digest in entries if key.rpartition("@")[0] == _name(file))

    def keep(self, file: Published, revision: str | None, digest: str) -> None:
        """Raises WorkError where it cannot be written."""
        entries = self._entries() | {_key(file, revision): digest}
        text = json_text({"about": _ABOUT, "sha256": dict(sorted(entries.items()))}, indent=2)
        with disk_errors(f"write {self.path}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, (text + "\n").encode())

    def _entries(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        with faults_of(
            self.path, "a lock file of weights", "repair it, or delete it to start anew"
        ):
            found = read_json_object(self.path, _MAX_LOCK).get("sha256")
            if not isinstance(found, dict):
                raise ValueError("it has no table `sha256`")
            for key, digest in found.items():
                if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                    raise ValueError(f"{key[:200]} has no SHA-256")
            return found


def locks_above(path: Path) -> Iterator[Lock]:
    """Those that may speak of a file: its folder's, and of the folders above."""
    for folder in list(path.absolute().parents)[:_LEVELS]:
        if (folder / LOCK).is_file():
            yield Lock(folder)


def _key(file: Published, revision: str | None) -> str:
    return f"{_name(file)}@{revision or 'main'}"


def _name(file: Published) -> str:
    return f"{file.repo}/{file.path}"


def _short(hashes: tuple[str, ...]) -> str:
    return " or ".join(f"{text[:12]}..." for text in hashes[:3])
