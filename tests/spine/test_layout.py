"""The structure that the architecture page promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import soundreel

SOURCE = Path(soundreel.__file__).parent
ENGINES = ("preview", "comfyui", "wan")

LAYERS: list[set[str]] = [
    {"safe"},
    {"types", "errors", "events", "options"},
    {"config", "audio", "timeline", "video", "post", "media", "work", "engines.base"}
    | {"engines.wan22", "engines.wan22_options", "engines.tensors"},
    {f"engines.{name}" for name in ENGINES},
    {"registry", "check", "record", "render", "output", "replay", "versions", "api"},
    {"cli"},
]


def part_of(module: str) -> str:
    """`soundreel.engines.wan.model.rope` -> `engines.wan`, `soundreel.audio.load` -> `audio`."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if names[:1] == ["engines"] else ".".join(names[:1])


def layer_of(part: str) -> int:
    return next(level for level, parts in enumerate(LAYERS) if part in parts)


def imports() -> list[tuple[str, str]]:
    """(importing module, imported module) for every import inside the package."""
    found = []
    for path in SOURCE.rglob("*.py"):
        own = ".".join(("soundreel", *path.relative_to(SOURCE).with_suffix("").parts))
        own = own.removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(own, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found += [(own, _target(node.module, alias.name)) for alias in node.names]
    return [(own, other) for own, other in found if other.split(".")[0] == "soundreel"]


def _target(module: str, name: str) -> str:
    as_path = SOURCE.joinpath(*module.split(".")[1:], name)
    is_module = as_path.with_suffix(".py").exists() or as_path.is_dir()
    return f"{module}.{name}" if is_module else module


def test_imports_point_one_way() -> None:
    wrong = []
    for own, other in imports():
        source, target = part_of(own), part_of(other)
        if not source or not target or source == target or "engines" in (source, target):
            continue
        between_engines = source.startswith("engines.") and target in LAYERS[3]
        if layer_of(source) < layer_of(target) or between_engines:
            wrong.append(f"{own} imports {other}")
    assert not wrong


def test_no_file_is_crowded() -> None:
    long = {
        str(path.relative_to(SOURCE)): lines
        for path in SOURCE.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


@pytest.mark.parametrize("name", soundreel.__all__)
def test_exported_names_exist(name: str) -> None:
    assert getattr(soundreel, name) is not None


@pytest.mark.parametrize("heavy", ["torch", "diffusers", "transformers", "cv2", "scipy", "av"])
def test_the_command_line_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys, soundreel.cli.app; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
