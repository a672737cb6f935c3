"""`doctor --report FILE`: all that a bug report needs, fit to be posted.

Secrets are taken out, and the home folder is written `~`.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from soundreel.config import ENV_PREFIX, Settings, default_config_path, read_config
from soundreel.errors import InputError, SoundreelError, mention
from soundreel.safe.secrets import is_secret_name, redacted
from soundreel.safe.text import harmless
from soundreel.types import Check
from soundreel.versions import package_versions
from soundreel.work.files import disk_errors

TITLE = "# soundreel report"

_VARIABLES = ("COMFYUI_PATH", "CUDA_", "HF_", "HUGGING", "HSA_", "PYTORCH_", "OMP_", "XDG_", "LANG")
_MAX_MODELS = 200  # lines


def write_report(
    path: Path, settings: Settings, config: Path | None, found: Mapping[str, Iterable[Check]]
) -> None:
    """Write the report. Raises InputError where `path` is another file, WorkError."""
    _require_report(path)
    text = "\n\n".join([TITLE, *_sections(settings, config, found)]) + "\n"
    with disk_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _sections(
    settings: Settings, config: Path | None, found: Mapping[str, Iterable[Check]]
) -> Iterator[str]:
    parts: Mapping[str, Callable[[], Iterable[str]]] = {
        "versions": package_versions,
        "system": lambda: _system(settings),
        "graphics": _graphics,
        "ffmpeg libraries": _libraries,
        "engines": lambda: _engines(found),
        "settings": lambda: _settings(settings),
        "config file": lambda: _config(config),
        "environment": _environment,
        "models": lambda: _models(settings),
        "plug-ins": _plugins,
    }
    for title, make in parts.items():
        lines = [f"    {_fit(line)}" for line in _tried(make)]
        yield "\n".join([f"## {title}", "", *(lines or ["    none"])])


def _tried(make: Callable[[], Iterable[str]]) -> list[str]:
    """A report is wanted where something is broken: one part's fault must not hide the others."""
    try:
        return list(make())
    except Exception as err:  # whatever is wrong on this machine is what the report is for
        return [f"cannot be told: {type(err).__name__}: {err}"]


def _fit(line: str) -> str:
    """Without secrets, without what acts on a terminal, without the user's name."""
    return harmless(redacted(line)).replace(str(Path.home()), "~")


def _system(settings: Settings) -> Iterator[str]:
    yield platform.platform()
    yield f"{platform.machine()}, {os.cpu_count()} CPU cores, {_memory()}"
    yield f"encodings: {sys.getfilesystemencoding()}, stdout {sys.stdout.encoding}"
    for name, folder in (("work_dir", settings.work_dir), ("output_dir", settings.output_dir)):
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        yield f"{name}: {shutil.disk_usage(existing).free / 1e9:.1f} GB free in {existing}"


def _memory() -> str:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return "memory unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB of memory"


def _graphics() -> Iterator[str]:
    try:
        import torch
    except ImportError:
        yield "torch is not installed"
        return
    yield f"torch {torch.__version__}, CUDA {torch.version.cuda}, HIP {torch.version.hip}"
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        yield f"{about.name}, {about.total_memory / 2**30:.1f} GiB, {about.major}.{about.minor}"
    yield f"MPS {'available' if torch.backends.mps.is_available() else 'not available'}"


def _libraries() -> Iterator[str]:
    import av

    for name, numbers in sorted(av.library_versions.items()):
        yield f"{name} {'.'.join(map(str, numbers))}"
    wanted = ("libx264", "libx265", "libsvtav1", "prores_ks", "aac", "flac", "alac", "libopus")
    yield f"encoders: {', '.join(name for name in wanted if name in av.codecs_available)}"
    yield f"ffmpeg on the path: {shutil.which('ffmpeg') or 'none'}"


def _engines(found: Mapping[str, Iterable[Check]]) -> Iterator[str]:
    for name, checks in found.items():
        for check in checks:
            lacking = "without" if check.optional else "missing"
            yield f"{name}: {'ok' if check.ok else lacking} {check.name}: {check.found}"
            if check.hint:
                yield f"    {check.hint}"


def _settings(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if is_secret_name(name):
            yield f"{name} is {'not set' if value is None else 'set'}"
        else:
            yield f"{name} = {value}"


def _config(config: Path | None) -> Iterator[str]:
    """By names and values: a comment may hold an old token."""
    path = config or default_config_path()
    if not path.is_file():
        yield f"{path} is not there"
        return
    yield str(path)
    yield from _table(read_config(path))


def _table(table: Mapping[str, object], above: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _table(value, f"{above}{name}.")
        else:
            yield f"{above}{name} {'is set' if is_secret_name(name) else f'= {value!r}'}"


def _environment() -> Iterator[str]:
    for name, value in sorted(os.environ.items()):
        if name.startswith((ENV_PREFIX, *_VARIABLES)):
            yield f"{name} {'is set' if is_secret_name(name) else f'= {value}'}"


def _models(settings: Settings) -> Iterator[str]:
    from soundreel.engines.wan.files.lookup import scan
    from soundreel.engines.wan.files.places import places

    try:
        where = places(settings.models_dir)
        found = list(scan(where))
    except SoundreelError as err:
        yield err.message
        return
    yield from (f"looked in {place.folder} ({place.origin})" for place in where)
    for item in found[:_MAX_MODELS]:
        facts = f"{item.kind.value}, {item.number_format}, {item.size:,} bytes, {item.origin}"
        yield f"{item.path}: {item.problem or facts}"


def _plugins() -> Iterator[str]:
    for package in distributions():
        for point in package.entry_points:
            if point.group.startswith("soundreel"):
                yield f"{package.name} {package.version}: {point.group} {point.name}"


def _require_report(path: Path) -> None:
    """Only a report is written over."""
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(TITLE)) in (TITLE.encode(), b""):
                return
    raise InputError(
        f"{path} is there already and is not a report", hint=f"name another: {mention('report')}"
    )
