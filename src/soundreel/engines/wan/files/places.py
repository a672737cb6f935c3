"""The folders of this machine that may hold weight files, best first.

Order: `models_dir`, ComfyUI (`COMFYUI_PATH`, else ~/ComfyUI) with its extra_model_paths.yaml, the
hub's cache. A folder of `models_dir` may be a ComfyUI installation, a models folder, an official
checkpoint or any folder with the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundreel.engines.wan.files.catalog import (
    COMFY_21_REPO,
    COMFY_REPO,
    FILM_REPO,
    GGUF_I2V_REPO,
    GGUF_REPO,
    GGUF_TEXT_REPO,
    OFFICIAL_I2V_REPO,
    OFFICIAL_REPO,
    SLOTS,
)
from soundreel.engines.wan.files.limits import faults_of, read_bounded
from soundreel.errors import EngineUnavailable, InputError
from soundreel.installation import install_command

_REPOS = (
    *(COMFY_REPO, COMFY_21_REPO, OFFICIAL_REPO, OFFICIAL_I2V_REPO),
    *(GGUF_REPO, GGUF_I2V_REPO, GGUF_TEXT_REPO, FILM_REPO),
)
_MAX_YAML = 32_768  # bytes; ComfyUI's example has 1,600
_MAX_BRACKETS = 1000  # PyYAML's time grows with the square of the open ones


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may hold weights, and how it came to be looked into.

    problem: why `folder`, or the file that should name folders, cannot be read, or "".
    """

    origin: str
    folder: Path
    problem: str = ""


def places(models_dir: Sequence[Path], environ: Mapping[str, str] = os.environ) -> list[Place]:
    """Folders to look into, best first, those that exist."""
    wanted = [place for folder in models_dir for place in _expand("models_dir", folder)]
    for folder in _comfy_roots(environ):
        wanted += _expand("ComfyUI", folder)
    wanted += [Place("hub cache", folder) for folder in _hub_folders(environ)]
    first: dict[Path, Place] = {}
    for place in wanted:
        if place.problem or _is_dir(place.folder):
            first.setdefault(place.folder.resolve(), place)
    return list(first.values())


def _is_dir(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # below a folder that we may not enter
        return False


def _expand(origin: str, folder: Path) -> Iterator[Place]:
    """A ComfyUI installation stands for its models folder and its extra paths."""
    folder = folder.expanduser()
    models = folder / "models"
    try:
        is_comfy = models.is_dir() and (folder / "folder_paths.py").is_file()
        yield from _slot_folders(origin, models if is_comfy else folder)
        extra = folder / "extra_model_paths.yaml"
        if extra.is_file():
            yield from _extra_places(f"{origin} (extra_model_paths)", extra)
    except OSError as err:
        yield Place(origin, folder, f"cannot read {folder}: {err.strerror or err}")


def _extra_places(origin: str, extra: Path) -> Iterator[Place]:
    """One bad file hides its own folders, no others."""
    try:
        yield from (Place(origin, folder) for folder in extra_folders(extra))
    except (InputError, EngineUnavailable) as err:
        yield Place(origin, extra, err.message)


def _slot_folders(origin: str, folder: Path) -> Iterator[Place]:
    """ComfyUI's sub-folders where there are any (its checkpoints need not be read), else all."""
    names = [name for slot in SLOTS for name in slot.folders]
    inside = [folder / name for name in names if (folder / name).is_dir()]
    yield from (Place(origin, path) for path in inside)
    engines_own = any(
        path.name in slot.folders for path in inside for slot in SLOTS if slot.required
    )
    if not engines_own or any(folder.glob("*.safetensors")) or (folder / "transformer").is_dir():
        yield Place(origin, folder)


def _comfy_roots(environ: Mapping[str, str]) -> list[Path]:
    named = environ.get("COMFYUI_PATH")
    return [Path(named)] if named else [Path.home() / "ComfyUI"]


def extra_folders(path: Path) -> list[Path]:
    """Folders that an extra_model_paths.yaml names for our slots; raises InputError if malformed.

    Each section may have a `base_path`; a value may list several folders, one a line.
    """
    try:
        import yaml
    except ImportError as err:
        raise EngineUnavailable(
            f"{path} cannot be read without PyYAML", hint=install_command("wan")
        ) from err
    with faults_of(
        path,
        "a readable extra_model_paths.yaml",
        "each section is a mapping of folder names to paths, in UTF-8",
    ):
        try:
            text = read_bounded(path, _MAX_YAML).decode("utf-8")
            if text.count("[") + text.count("{") > _MAX_BRACKETS:
                raise ValueError(f"more than {_MAX_BRACKETS} brackets")
            sections = yaml.safe_load(text) or {}
        except yaml.YAMLError as err:
            raise ValueError(str(err)) from err
        return [folder for section in sections.values() for folder in _of_section(path, section)]


def _of_section(path: Path, section: Mapping[str, str]) -> list[Path]:
    base = path.parent / Path(os.path.expandvars(section.get("base_path", ""))).expanduser()
    names = sorted({name for slot in SLOTS for name in slot.folders} & set(section))
    lines = [line.strip() for key in names for line in section[key].split("\n")]
    return [base / line for line in lines if line]


def hub_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Where huggingface_hub keeps downloads (its documentation, "Environment variables")."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(environ.get("HF_HOME") or cache / "huggingface").expanduser() / "hub"


def _hub_folders(environ: Mapping[str, str]) -> list[Path]:
    """The snapshots of the repositories that we know, newest first."""
    folders: list[Path] = []
    for repo in _REPOS:
        snapshots = hub_cache(environ) / f"models--{repo.replace('/', '--')}" / "snapshots"
        if _is_dir(snapshots):
            folders += sorted(_listed(snapshots), key=_modified, reverse=True)
    return folders


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a link to what is gone
        return 0.0
