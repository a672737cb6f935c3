"""The packages that the wan engine needs: looked for, not imported, which would take seconds."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from soundreel.errors import EngineUnavailable, mention
from soundreel.installation import install_command, require_package

PACKAGES = {
    **{"torch": "2.13", "diffusers": "0.42", "transformers": "5.24", "safetensors": "0.8"},
    **{"tokenizers": "0.23", "sentencepiece": "0.2.3", "ftfy": "6.3"},
}
"""What is imported, and the oldest release that is tested: as in the extra `wan`."""

_KERNELS = {"flash": "flash_attn", "flash3": "flash_attn_interface", "sage": "sageattention"}
"""Modules that bring kernels of attention."""


def require_packages() -> None:
    """Raises EngineUnavailable naming those that are not there or too old."""
    missing = missing_packages()
    if missing:
        raise EngineUnavailable(f"engine wan needs {missing}", hint=install_command("wan"))


def missing_packages() -> str:
    """Those that are not there or too old; empty where none is."""
    told = (_fault(name, floor) for name, floor in PACKAGES.items())
    return ", ".join(text for text in told if text)


def library_versions() -> dict[str, str]:
    """Of those that decide the pictures, for the record."""
    return {name: version(name) for name in ("torch", "diffusers", "transformers")}


def check_kernel_package(attention: str) -> None:
    """Raises EngineUnavailable where the package of the attention kernel is not there."""
    module = _KERNELS.get(attention)
    if module is not None:
        hint = f"install it, or take {mention(attention='native')}"
        require_package(module, mention(attention=attention), hint)


def kernel_identity(attention: str) -> str:
    """The kernel with its version, for the record; empty for torch's own."""
    module = _KERNELS.get(attention)
    return "" if module is None else f"{attention} {_brought_by(module)}"


def _brought_by(module: str) -> str:
    """The version of the package that brings a module."""
    names = packages_distributions().get(module, ())
    return version(names[0]) if names else "of unknown version"


def _fault(name: str, floor: str) -> str:
    if find_spec(name) is None:
        return name
    here = version(name)
    return f"{name} {floor} or newer ({here} is here)" if _release(here) < _release(floor) else ""


def _release(text: str) -> tuple[int, ...]:
    """2.13.0+cu130 -> (2, 13, 0); 2.14.0.dev20261101 -> (2, 14, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
