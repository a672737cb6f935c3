"""How this soundreel was installed: its version, what is missing, and what adds it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from soundreel.errors import EngineUnavailable

_PACKAGE = "soundreel"


def install_command(extra: str = "") -> str:
    """The command that installs an extra ("wan"; without one, what soundreel always needs) here:
    from where soundreel itself came, by the pip of this Python."""
    return f"{_pip()} install {_requirement(extra, _origin())}"


def require_package(package: str, what: str, hint: str) -> None:
    """Raises EngineUnavailable where a package is not here; nothing is imported. what: needs it."""
    if find_spec(package.replace("-", "_")) is None:
        raise EngineUnavailable(
            f"{what} needs the package {package}, which is not installed", hint=hint
        )


def _requirement(extra: str, origin: Mapping[str, Any] | None) -> str:
    """By direct_url.json (https://packaging.python.org/specifications/direct-url/): an index where
    there is none."""
    wanted = f"[{extra}]" if extra else ""
    if origin is None:
        return shlex.quote(f"{_PACKAGE}{wanted}")
    url = str(origin.get("url", ""))
    if "dir_info" in origin:
        folder = _folder_of(url)
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return editable + shlex.quote(f"{_from_here(folder)}{wanted}")
    if "vcs_info" in origin:
        url = f"{origin['vcs_info'].get('vcs', 'git')}+{url}"
    return shlex.quote(f"{_PACKAGE}{wanted} @ {url}")


def _origin() -> Mapping[str, Any] | None:
    """Where pip took soundreel from; None from an index. A tree that was never installed is as a
    clone that is."""
    installed = _distribution()
    if installed is None:
        root = Path(__file__).resolve().parents[2]
        return {"url": root.as_uri(), "dir_info": {"editable": True}}
    text = installed.read_text("direct_url.json")
    return None if text is None else dict(json.loads(text))


def _folder_of(url: str) -> Path:
    path = unquote(urlsplit(url).path)
    return Path(path.removeprefix("/") if os.name == "nt" else path)  # /C:/a is C:/a there


def _from_here(folder: Path) -> Path:
    return Path() if folder == Path.cwd() else folder


def _pip() -> str:
    found = shutil.which("pip")
    own = Path(sys.executable).parent
    if found is not None and Path(found).parent == own:
        return "pip"
    return f"{shlex.quote(sys.executable)} -m pip"


def _distribution() -> Distribution | None:
    try:
        return distribution(_PACKAGE)
    except PackageNotFoundError:
        return None


def _version() -> str:
    installed = _distribution()
    return "0+unknown" if installed is None else installed.version


__version__ = _version()
