"""Packages with engines, in all the ways in which they can be broken: the rest of the program works
and says which one it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from spine.test_engines import install, soundreel

OPTIONS = """
from pydantic import BaseModel
class Options(BaseModel):
    level: int = 1
"""
ENGINE = """
class Engine:
    name, interpolations, Options = "odd", frozenset(), Options
    def __init__(self, settings): INIT
    def geometry(self, request):
        from fractions import Fraction
        from soundreel.types import ChunkGeometry
        return ChunkGeometry(Fraction(16), 80)
    def find(self, request): FIND
    def estimate(self, plan): raise KeyError("estimate")
    def diagnose(self): DIAGNOSE
"""


def engine(init: str = "pass", find: str = "pass", diagnose: str = "return []") -> str:
    code = ENGINE.replace("INIT", init).replace("FIND", find).replace("DIAGNOSE", diagnose)
    return OPTIONS + code


BROKEN = {
    "leaves": "raise SystemExit(3)",
    "not a class": "Engine = None",
    "no options": engine().replace("Options = ", "Nothing = "),
    "other options": engine().replace("class Options(BaseModel)", "class Options"),
    "odd options": engine().replace(
        "level: int = 1", "level: 'list[dict[str, int]] | None' = None"
    ),
    "cannot be made": engine(init="raise KeyError('init')"),
    "cannot be asked": engine(diagnose="raise KeyError('diagnose')"),
    "finds nothing": engine(find="raise KeyError('find')"),
    "finds None": engine(find="return None"),
}


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_engine_is_named_when_it_is_used(tone: Path, tmp_path: Path, code: str) -> None:
    install(tmp_path, "odd", code, "Engine")
    used = soundreel(tmp_path, str(tone), "--engine", "odd", "--work-dir", str(tmp_path / "work"))
    assert used.returncode == 3, used.stderr[-500:]
    assert "error: engine odd" in used.stderr
    assert "Traceback" not in used.stderr


@pytest.mark.parametrize("name", ["leaves", "other options", "odd options"])
def test_a_broken_engine_breaks_no_help(tmp_path: Path, name: str) -> None:
    install(tmp_path, "odd", BROKEN[name], "Engine")
    helped = soundreel(tmp_path, "generate", "--help")
    assert "--sampling-preset" in helped.stdout, helped.stderr[-500:]


@pytest.mark.parametrize("name", ["leaves", "cannot be made", "cannot be asked"])
def test_a_broken_engine_is_a_line_of_doctor(tmp_path: Path, name: str) -> None:
    install(tmp_path, "odd", BROKEN[name], "Engine")
    looked = soundreel(tmp_path, "doctor")
    assert "preview: ready" in looked.stdout, looked.stderr[-500:]
    assert "engine odd cannot be" in looked.stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("entry_points.txt", "[soundreel.engines]\nodd = not a place!\n"),
        ("entry_points.txt", "[soundreel.engines\nodd = x:y"),
        ("METADATA", ""),
    ],
)
def test_a_damaged_package_breaks_nothing(tmp_path: Path, name: str, text: str) -> None:
    install(tmp_path, "odd", engine(), "Engine")
    (tmp_path / "odd_engine-1.dist-info" / name).write_text(text)
    run = soundreel(tmp_path, "engines")
    assert run.returncode == 0, run.stderr[-500:]
    assert "preview" in run.stdout
