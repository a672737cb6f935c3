"""The structure that the architecture page promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

import soundreel

SOURCE = Path(soundreel.__file__).parent
ENGINES = ("preview", "comfyui", "wan")

LAYERS: list[set[str]] = [
    {"safe"},
    {"types", "errors", "events", "options", "installation"},
    {"config", "audio", "timeline", "directing", "video", "post", "media", "work", "words"}
    | {"engines.base", "engines.wan22", "engines.wan22_options", "engines.tensors"}
    | {"engines.wan22_i2v", "engines.wan22_i2v_options"},
    {f"engines.{name}" for name in ENGINES},
    {"registry", "inputs", "record", "render", "output", "versions", "api", "remake", "sharing"}
    | {"documents", "finished", "farm", "framerate", "progress", "proof"},
    {"web"},
    {"cli"},
    {"__main__"},
]


def part_of(module: str) -> str:
    """`soundreel.engines.wan.model.rope` -> `engines.wan`, `soundreel.audio.load` -> `audio`."""
    names = module.split(".")[1:]
    return ".".join(names[:2]) if names[:1] == ["engines"] else ".".join(names[:1])


def layer_of(part: str) -> int:
    return next(level for level, parts in enumerate(LAYERS) if part in parts)


def imports() -> list[tuple[str, str]]:
    """(importing module, imported module) for every import inside the package, the face of a
    package that a module is imported from included."""
    found = []
    for path in SOURCE.rglob("*.py"):
        own = ".".join(("soundreel", *path.relative_to(SOURCE).with_suffix("").parts))
        own = own.removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(own, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found += [(own, _target(node.module, alias.name)) for alias in node.names]
                found.append((own, node.module))
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


ROOMS: dict[str, dict[str, set[str]]] = {
    # house: room -> the rooms it may import; none imports what stands beside the rooms
    "cli": {
        "terminal": set(),
        "flags": {"terminal"},
        "commands": {"terminal", "flags"},
        "commands.many": {"terminal", "flags"},
        "commands.serving": {"terminal", "flags"},
    },
    "web": {
        "asked": set(),
        "jobs": {"asked"},
        "agents": {"asked", "jobs"},
        "studio": {"asked", "jobs"},
        "http": {"asked", "studio"},
    },
    "proof": {
        "senses": set(),
        "rules": {"senses"},
    },
    "engines.preview": {
        "canvas": set(),
        "drive": set(),
        "look": {"canvas", "drive"},
        "draw": {"canvas", "drive", "look"},
        "portrait": {"canvas", "drive", "draw"},
        "staging": {"canvas", "drive", "look", "draw"},
        "looks": {"canvas", "drive", "look", "draw", "staging", "looks.things"},
        "looks.things": {"canvas", "drive", "look", "draw", "staging", "portrait"},
    },
    "engines.comfyui": {
        "graphs": set(),
        "hearing": set(),
        "client.wire": set(),
        "client": {"client.wire", "graphs"},
    },
    "engines.wan": {
        "model": set(),
        "encoders": set(),
        "files": {"model"},
        "load": {"model", "encoders", "files"},
        "memory": {"model", "encoders", "files", "load"},
        "machine": {"files", "memory"},
        "sampling": {"memory"},
        "image": {"model", "encoders", "files", "load", "machine", "memory", "sampling"},
    },
}
BESIDE = (
    "options",
    "components",
    "motion",
    "cost",
    "session",
    "job",
    "engine",
)
"""Of the wan engine, beside the rooms: what comes later may import what comes before."""
TORCH = "torch"


@pytest.mark.parametrize("house", ROOMS)
def test_rooms_import_only_those_they_may(house: str) -> None:
    rooms = ROOMS[house]
    home = SOURCE.joinpath(*house.split("."))
    folders = {path.parent.relative_to(home).as_posix() for path in home.rglob("*/__init__.py")}
    assert {folder.replace("/", ".") for folder in folders} == set(rooms)
    prefix = f"soundreel.{house}."
    wrong = []
    for own, other in imports():
        source = _room(own.removeprefix(prefix), rooms) if own.startswith(prefix) else ""
        if not source or not f"{other}.".startswith(prefix):
            continue
        target = _room(other.removeprefix(prefix), rooms)
        if target != source and target not in rooms[source]:
            wrong.append(f"{own} imports {other}")
    assert not wrong


def _room(module: str, rooms: Collection[str]) -> str:
    """`client.wire.faults` -> `client.wire`; "" beside the rooms."""
    inside = [room for room in rooms if f"{module}.".startswith(f"{room}.")]
    return max(inside, key=len, default="")


def test_what_opens_the_wan_engine_is_a_line_not_a_knot() -> None:
    prefix = "soundreel.engines.wan."
    home = SOURCE / "engines" / "wan"
    assert {path.stem for path in home.glob("*.py")} - {"__init__"} == set(BESIDE)
    for own, other in imports():
        source, target = own.removeprefix(prefix), other.removeprefix(prefix)
        if source in BESIDE and target in BESIDE:
            assert BESIDE.index(target) < BESIDE.index(source), f"{own} imports {other}"


def test_no_folder_imports_in_a_circle() -> None:
    """A package and what lies in it are one; the top folder's modules stand each for itself."""
    graph: dict[str, set[str]] = {}
    for own, other in imports():
        source, target = _folder(own), _folder(other)
        graph.setdefault(source, set()).update({target} - {source})
    assert not circle(graph)


def test_no_module_imports_in_a_circle() -> None:
    """Not even inside a function, or by the face of a package."""
    graph: dict[str, set[str]] = {}
    for own, other in imports():
        graph.setdefault(own, set()).update({other} - {own})
    assert not circle(graph)


def _folder(module: str) -> str:
    names = module.split(".")
    is_package = SOURCE.joinpath(*names[1:]).is_dir()
    return module if is_package or len(names) == 2 else ".".join(names[:-1])


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One way that leads back to where it began, or nothing."""
    done: set[str] = set()

    def walk(here: str, way: list[str]) -> list[str]:
        if here in way:
            return way[way.index(here) :]
        if here in done:
            return []
        for following in sorted(graph.get(here, ())):
            if found := walk(following, [*way, here]):
                return found
        done.add(here)
        return []

    return next((found for start in sorted(graph) if (found := walk(start, []))), [])


def test_the_search_for_circles_finds_one() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_the_wan_engine_and_its_files_name_no_torch() -> None:
    home = SOURCE / "engines" / "wan"
    light = ("engine", "options", "cost", "memory/needs")
    image = ("image/engine", "image/options", "image/cost", "image/files", "image/needs")
    alone = [home / f"{name}.py" for name in (*light, *image)]
    for path in (*alone, *(home / "files").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == TORCH], path


@pytest.mark.parametrize(
    "module", ["engine", "cost", "files.selection", "files.download", "image.engine", "image.cost"]
)
def test_the_wan_engine_is_asked_without_torch(module: str) -> None:
    code = f"import sys, soundreel.engines.wan.{module}; sys.exit({TORCH!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_no_folder_is_crowded(folder: str) -> None:
    places = {path.parent for path in (SOURCE.parents[1] / folder).rglob("*.py")}
    assert places
    crowded = [str(place) for place in places if len(list(place.glob("*.py"))) > 14]
    assert not crowded


def test_every_package_says_who_lives_there() -> None:
    for path in SOURCE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_few_imports_wait_inside_functions() -> None:
    """Fewer than 3 in 1000 lines: a lazy import hides what a module needs."""
    waiting = lines = 0
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        functions = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
        inside = [node for function in functions for node in ast.walk(function)]
        waiting += sum(isinstance(node, (ast.Import, ast.ImportFrom)) for node in inside)
        lines += len(text.splitlines())
    assert waiting < lines * 3 / 1000


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


@pytest.mark.parametrize(
    "heavy", ["torch", "diffusers", "transformers", "cv2", "scipy", "av", "numpy"]
)
def test_the_command_line_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys, soundreel.cli.app; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
