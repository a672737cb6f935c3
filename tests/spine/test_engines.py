"""The program and an engine: asked once, away, from another package."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from soundreel import registry
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.engines.base import Ready
from soundreel.errors import Cancelled, EngineUnavailable, InputError
from soundreel.events import Event, FrameDone, RunControl
from soundreel.types import Request
from soundreel.video.reader import probe_video

TESTS = Path(__file__).parents[1]

SHADE = '''
from pydantic import Field
import fakes

class ShadeOptions(fakes.FakeOptions):
    shade: int = Field(3, description="how dark it gets")
    seed: int = Field(0, description="a name that is taken")

class ShadeEngine(fakes.FakeEngine):
    """Shows every picture as often as it is asked for."""
    name = "shade"
    interpolations = frozenset({"repeat"})
    Options = ShadeOptions
    def find(self, request):
        return ShadeReady()

class ShadeReady(fakes.FakeReady):
    def open(self, plan, control):
        from contextlib import nullcontext
        return nullcontext(ShadeSession(plan))

class ShadeSession(fakes.FakeSession):
    def __init__(self, plan):
        self.plan, self.carry = plan, fakes.START
        self.options = ShadeOptions(**plan.request.options)
        assert self.options.shade == 7
    def render(self, chunk, control):
        for frame in super().render(chunk, control):
            yield from [frame] * int(self.plan.interpolation.factor)
'''
OLD = """
class OldEngine:
    name = "old"
    deterministic = True
    interpolations = frozenset()
    class Options:
        model_fields = {}
    def __init__(self, settings): pass
    def preflight(self, request): pass
    def geometry(self, request): pass
    def identity(self, request): return {}
    def estimate(self, plan): pass
    def diagnose(self): return []
    def open(self, plan, control): pass
"""


@pytest.fixture
def request_of(tone: Path, tmp_path: Path) -> Request:
    output = tmp_path / "a.mp4"
    return Request(audio=tone, engine="fake", width=64, height=48, seed=3, output=output)


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that the fake engine is asked about."""
    seen: list[Request] = []
    find = fakes.FakeEngine.find

    def watched(self: fakes.FakeEngine, request: Request) -> Ready:
        seen.append(request)
        return find(self, request)

    monkeypatch.setattr(fakes.FakeEngine, "find", watched)
    return seen


@pytest.mark.parametrize("engine", ["fake", "auto"])
def test_an_engine_is_made_and_asked_once_a_run(
    request_of: Request,
    settings: Settings,
    finds: list[Request],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    monkeypatch.setattr(registry, "AUTO_ORDER", ("fake",))
    made: list[Settings] = []
    init = fakes.FakeEngine.__init__

    def counted(self: fakes.FakeEngine, given: Settings) -> None:
        made.append(given)
        init(self, given)

    monkeypatch.setattr(fakes.FakeEngine, "__init__", counted)
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= 30:
            control.cancel()

    control.on_event = stop
    request = replace(request_of, engine=engine)
    with pytest.raises(Cancelled):
        generate(request, settings, control=control)
    assert (len(made), len(finds)) == (1, 1)
    assert generate(request, settings).resumed_chunks == 1
    assert (len(made), len(finds)) == (2, 2)


def test_a_plan_needs_nothing_of_a_named_engine(
    request_of: Request,
    settings: Settings,
    finds: list[Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fakes.FakeEngine, "available", False)
    made, estimate = plan(request_of, settings)
    assert made.num_frames == 80
    assert estimate.source == "predicted"
    assert not finds
    monkeypatch.setattr(registry, "AUTO_ORDER", ("fake",))
    with pytest.raises(EngineUnavailable, match="away"):
        plan(replace(request_of, engine="auto"), settings)


def test_a_method_that_no_engine_knows_is_named_with_those_there_are(
    request_of: Request, settings: Settings
) -> None:
    with pytest.raises(InputError, match="blend") as caught:
        generate(replace(request_of, interpolate="blend"), settings)
    assert "flow" in caught.value.hint


# --- engines of other packages ----------------------------------------------------------------


def install(folder: Path, name: str, code: str, engine: str) -> None:
    """A package with an engine, as pip would leave it in a folder of sys.path."""
    (folder / f"{name}_engine.py").write_text(code)
    about = folder / f"{name}_engine-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-engine\nVersion: 1\n")
    entry = f"[{registry.ENTRY_POINT_GROUPS['sound']}]\n{name} = {name}_engine:{engine}\n"
    (about / "entry_points.txt").write_text(entry)


def soundreel(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as it is with the packages of `folder` installed."""
    source = Path(registry.__file__).parents[1]
    places = os.pathsep.join(map(str, (folder, TESTS, source)))
    code = "from soundreel.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": places, "COLUMNS": "200", "NO_COLOR": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_options_and_method_of_another_packages_engine_are_the_programs(
    tone: Path, tmp_path: Path
) -> None:
    install(tmp_path, "shade", SHADE, "ShadeEngine")
    help_text = soundreel(tmp_path, "generate", "--help").stdout
    assert "--shade" in help_text
    assert "how dark it gets (shade)" in help_text
    assert "a name that is taken" not in help_text
    command = (str(tone), "--engine", "shade", "--size", "64x48", "--frames", "5", "--seed", "3")
    more = ("--shade", "7", "--interpolate", "repeat", "--fps", "48", "-o", "a.mp4")
    run = soundreel(tmp_path, *command, *more, "--work-dir", str(tmp_path / "work"))
    assert run.returncode == 0, run.stderr
    assert probe_video(tmp_path / "a.mp4").num_frames == 15
    plain = (str(tone), "--engine", "preview", "--seed", "3", "--json")
    assert soundreel(tmp_path, "plan", *plain).returncode == 0, "it takes no other engine's seed"


def test_an_engine_of_version_0_1_is_refused_with_what_changed(tone: Path, tmp_path: Path) -> None:
    install(tmp_path, "old", OLD, "OldEngine")
    run = soundreel(tmp_path, str(tone), "--engine", "old", "--work-dir", str(tmp_path / "work"))
    assert run.returncode == EngineUnavailable.exit_code
    assert "written for soundreel 0.1" in run.stderr
    assert "find(request)" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_broken_package_breaks_no_help_and_is_named_when_it_is_used(
    tone: Path, tmp_path: Path
) -> None:
    install(tmp_path, "broken", "raise RuntimeError('no licence')", "Nothing")
    assert "--sampling-preset" in soundreel(tmp_path, "generate", "--help").stdout
    run = soundreel(tmp_path, str(tone), "--engine", "broken")
    assert run.returncode == EngineUnavailable.exit_code
    assert "no licence" in run.stderr
