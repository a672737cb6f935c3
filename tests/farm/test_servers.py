"""Several ComfyUI servers share a job: the same bytes, whatever becomes of them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import fakes
from comfyui.engine_tools import SIZE, pitches, write_melody
from comfyui.fake.server import FakeComfyUI
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.engines.comfyui import servers
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.errors import Cancelled, EngineError, WorkError
from soundreel.events import ChunkSealed, Event, FrameDone, Notice, RunControl, StepDone
from soundreel.farm import machines
from soundreel.render.piece import PieceWriter
from soundreel.types import ImageRequest, Request, Rgb, ShotRequest

COUNT = 8
SHOTS = tuple(ShotRequest(start=Fraction(number, 2)) for number in range(COUNT))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever happens, no thread outlives its test."""
    monkeypatch.setattr(servers, "MOST_PATIENCE_S", 0.05)
    monkeypatch.setattr(machines, "ASK_S", 0.05)
    init = ComfyClient.__init__

    def quick(self: ComfyClient, *args: Any, **options: Any) -> None:
        init(self, *args, **{"poll_seconds": 0.05, **options})

    monkeypatch.setattr(ComfyClient, "__init__", quick)
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith(("hand", "comfyui"))]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_melody(tmp_path_factory.mktemp("sound") / "melody.wav", pitches(8 * COUNT))


@pytest.fixture
def request_for(audio: Path, tmp_path: Path) -> Request:
    return Request(
        audio=audio, engine="comfyui", width=SIZE, height=SIZE, seed=5, shots=SHOTS,
        transition="crossfade:0.125", output=tmp_path / "a.mp4",
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(audio: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one server makes."""
    folder = tmp_path_factory.mktemp("one")
    request = Request(
        audio=audio, engine="comfyui", width=SIZE, height=SIZE, seed=5, shots=SHOTS,
        transition="crossfade:0.125", output=folder / "a.mp4",
    )  # fmt: skip
    with FakeComfyUI() as server:
        return digest(generate(request, Settings(work_dir=folder, url=server.url)).path)


@pytest.fixture
def three() -> Iterator[list[FakeComfyUI]]:
    """Of different speed."""
    with ExitStack() as stack:
        made = [stack.enter_context(FakeComfyUI()) for _ in range(3)]
        for server, seconds in zip(made, (0.0, 0.04, 0.12), strict=True):
            server.faults.step_seconds = seconds
        yield made


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def at(settings: Settings, *named: FakeComfyUI | str) -> Settings:
    urls = [each if isinstance(each, str) else each.url for each in named]
    return settings.model_copy(update={"url": ",".join(urls)})


def notices(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


def test_all_servers_make_the_bytes_of_one_and_the_fast_ones_make_more(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    """Each has one prompt of ours at a time. One is named twice, one has no model."""
    events: list[Event] = []
    busy: list[int] = []

    def note(event: Event) -> None:
        events.append(event)
        busy.extend(len(server.queue_ids()) for server in three)

    with FakeComfyUI() as poor:
        loader = poor.nodes["UNETLoader"]["input"]["required"]
        loader["unet_name"] = [["another.safetensors"], {}]
        there = at(settings, poor, *three, three[0])
        made = generate(request_for, there, control=RunControl(note))
        assert not poor.prompts
    assert digest(made.path) == whole
    counts = [len(server.prompts) for server in three]
    assert sum(counts) == COUNT
    assert counts[0] > counts[2] > 0
    assert max(busy) == 1
    said = [line for line in notices(events) if "wan2.2_s2v" in line]
    assert len(said) == 1
    assert said[0].startswith(poor.url)
    assert said[0].endswith("left out of this job")
    done = [event.done for event in events if isinstance(event, FrameDone)]
    assert done == list(range(1, made.plan.output_frames + 1))
    assert [path.name for path in settings.work_dir.iterdir()] == ["comfyui-clients"]
    assert not list((settings.work_dir / "comfyui-clients").iterdir())


def test_the_sidecar_says_who_made_what_and_the_file_holds_no_address(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    named = [server.url.replace("//", "//me:hush-hush@") for server in three[:2]]
    made = generate(request_for, at(settings, *named))
    hands = fakes.sidecar_of(made.path)["hands"]
    assert isinstance(hands, dict)
    assert set(hands) == {server.url for server in three[:2]}
    assert sorted(part for parts in hands.values() for part in parts) == [*range(1, COUNT + 1)]
    assert b"127.0.0.1" not in made.path.read_bytes()
    assert "hush" not in made.sidecar.read_text()
    assert digest(made.path) == whole


def test_a_server_that_dies_gives_its_part_back_and_is_asked_again(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    """The others go on; when it is there again, it is given more."""
    events: list[Event] = []
    three[0].faults.restart_at, three[0].faults.down_seconds = 60, 0.6
    made = generate(request_for, at(settings, *three), control=RunControl(events.append))
    assert digest(made.path) == whole
    assert three[0].restarts == 1
    (said,) = [line for line in notices(events) if "goes to the others" in line]
    assert three[0].url in said
    counts = [len(server.prompts) for server in three]
    assert sum(counts) > COUNT, "what it was at was made again"
    hands = fakes.sidecar_of(made.path)["hands"]
    assert isinstance(hands, dict)
    assert set(hands) == {server.url for server in three}


def test_servers_that_are_all_away_are_waited_for(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    for server in three[:2]:
        server.faults.restart_at, server.faults.down_seconds = 40, 0.5
    made = generate(request_for, at(settings, *three[:2]))
    assert digest(made.path) == whole
    assert [server.restarts for server in three[:2]] == [1, 1]


def test_a_job_ends_when_all_servers_stay_away(
    request_for: Request,
    settings: Settings,
    three: list[FakeComfyUI],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "AWAY_S", 0.1)
    for server in three[:2]:
        server.faults.restart_at, server.faults.down_seconds = 40, 60
    with pytest.raises(EngineError, match="nobody is left to make the pictures: no answer from"):
        generate(request_for, at(settings, *three[:2]))


def test_a_server_works_while_the_pictures_of_its_last_part_are_encoded(
    request_for: Request,
    settings: Settings,
    three: list[FakeComfyUI],
    whole: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only one that is there has the next prompt before a part's second picture is asked for.
    The crossfades' pieces are not of one part."""
    server, write, sent = three[0], PieceWriter.write, list[int]()

    def watched(self: PieceWriter, path: Path, pictures: Iterator[tuple[int, Rgb]]) -> None:
        def counted() -> Iterator[tuple[int, Rgb]]:
            yield next(pictures)
            if threading.current_thread().name.startswith("hand"):
                wanted = min(len(sent) + 2, COUNT)
                end = time.monotonic() + 3
                while len(server.prompts) < wanted and time.monotonic() < end:
                    time.sleep(0.005)
                sent.append(len(server.prompts))
            yield from pictures

        write(self, path, counted())

    monkeypatch.setattr(PieceWriter, "write", watched)
    made = generate(request_for, at(settings, server, "http://127.0.0.1:9"))
    assert digest(made.path) == whole
    assert sent == [*range(2, COUNT + 1), COUNT]


def test_wrong_servers_are_left_out_and_one_that_starts_late_joins(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    """One wants a token, one is another program, one is not there yet."""
    events: list[Event] = []
    late = FakeComfyUI()
    started = ExitStack()

    def start(event: Event) -> None:
        events.append(event)
        if isinstance(event, ChunkSealed) and not started._exit_callbacks:  # type: ignore[attr-defined]
            started.enter_context(late)

    with FakeComfyUI(authorization="Bearer other") as closed, started:
        other = f"{three[1].url}/nothing"
        there = at(settings, closed, other, f"http://127.0.0.1:{late.port}", three[2])
        made = generate(request_for, there, control=RunControl(start))
        assert late.prompts
    assert digest(made.path) == whole
    said = "\n".join(notices(events))
    assert f"{closed.url} does not let us in (401); left out of this job" in said
    assert f"{other} does not answer like ComfyUI" in said
    assert not three[1].prompts


def test_a_failing_server_is_left_out_and_what_all_fail_at_is_the_jobs_error(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    events: list[Event] = []
    three[0].faults.fail_node = ("VAEDecode", "torch.OutOfMemoryError", "Allocation on device")
    made = generate(request_for, at(settings, *three[:2]), control=RunControl(events.append))
    assert digest(made.path) == whole
    assert len(three[0].prompts) == 1
    (said,) = [line for line in notices(events) if "left out" in line]
    assert three[0].url in said
    assert "VAEDecode" in said
    three[1].faults.fail_node = ("VAEDecode", "RuntimeError", "bad tensor")
    again = replace(request_for, output=made.path.with_name("b.mp4"))
    with pytest.raises(EngineError, match=r"bad tensor|Allocation"):
        generate(again, at(settings, *three[:2]))


def test_a_stop_takes_our_prompts_off_all_servers_and_any_number_goes_on(
    request_for: Request, settings: Settings, three: list[FakeComfyUI], whole: str
) -> None:
    control = RunControl()
    foreign: list[str] = []

    def stop(event: Event) -> None:
        works = isinstance(event, StepDone) and not foreign
        if works and all(server.queue_ids() for server in three):
            foreign[:] = [server.add_foreign_job(60) for server in three]
            control.cancel()

    control.on_event = stop
    for server in three:
        server.faults.step_seconds = 0.05
    with pytest.raises(Cancelled):
        generate(request_for, at(settings, *three), control=control)
    assert [server.queue_ids() for server in three] == [[each] for each in foreign]
    for server in three:
        server.interrupt_from_elsewhere()
    for number, server in enumerate(three[:2], 1):
        stopping = fakes.cancel_after(16 * number)
        with pytest.raises(Cancelled):
            generate(request_for, at(settings, server), control=stopping)
    made = generate(request_for, at(settings, three[2], three[0]))
    assert made.resumed_chunks > 0
    assert digest(made.path) == whole


def test_servers_of_other_releases_share_a_job_and_a_later_run_keeps_to_them(
    request_for: Request, settings: Settings, three: list[FakeComfyUI]
) -> None:
    for server, version in zip(three, ("0.3.64", "0.3.70", "0.4.1"), strict=True):
        server.stats = {"system": {"comfyui_version": version}}
    begun = at(settings, *three[:2])
    with pytest.raises(Cancelled):
        generate(request_for, begun, control=fakes.cancel_when_sealed())
    with pytest.raises(WorkError, match="another plan"):
        generate(request_for, at(settings, three[2]))
    events: list[Event] = []
    rest = at(settings, three[1], three[2])
    made = generate(request_for, rest, control=RunControl(events.append))
    record = fakes.sidecar_of(made.path)["engine"]
    assert isinstance(record, dict)
    assert record["comfyui"] == "0.3.64, 0.3.70"
    assert not three[2].prompts
    assert any("0.4.1, and this job began with 0.3.64 and" in line for line in notices(events))


def test_a_server_without_the_film_of_the_first_is_left_out(
    request_for: Request, settings: Settings
) -> None:
    events: list[Event] = []
    request = replace(request_for, interpolate="film", fps=Fraction(32))
    with FakeComfyUI(film="") as none, FakeComfyUI() as core, FakeComfyUI(film="pack") as pack:
        there = at(settings, none, core, pack)
        made = generate(request, there, control=RunControl(events.append))
        assert len(core.prompts) == COUNT
        assert not none.prompts
        assert not pack.prompts
    assert sum("left out of this job" in line for line in notices(events)) == 2
    record = fakes.sidecar_of(made.path)["engine"]
    assert isinstance(record, dict)
    assert record["film"].startswith("FrameInterpolate")


def test_one_server_that_can_serve_is_enough_for_doctor(three: list[FakeComfyUI]) -> None:
    urls = ["http://127.0.0.1:9", three[0].url]
    checks = ComfyUIEngine(Settings.model_validate({"url": urls})).diagnose()
    assert [check.name for check in checks if not check.ok] == urls[:1]
    assert all(check.serves for check in checks)
    assert not all(c.serves for c in ComfyUIEngine(Settings(url=urls[0])).diagnose())


def test_a_video_of_an_image_is_made_by_whichever_answers(
    tmp_path: Path, settings: Settings, three: list[FakeComfyUI]
) -> None:
    image = tmp_path / "a.png"
    from comfyui.conftest import png_bytes

    image.write_bytes(png_bytes())
    request = ImageRequest(
        image=image, engine="comfyui", width=SIZE, height=SIZE, seed=1, num_frames=9,
        output=tmp_path / "a.mp4",
    )  # fmt: skip
    one = generate(request, at(settings, three[0]))
    again = replace(request, output=tmp_path / "b.mp4")
    two = generate(again, at(settings, "http://127.0.0.1:9", three[1]))
    assert digest(one.path) == digest(two.path)
    assert len(three[1].prompts) == 1


def test_a_plan_says_how_many_servers_and_the_time_with_them(
    request_for: Request, settings: Settings
) -> None:
    urls = [f"http://127.0.0.1:{port}" for port in (1, 2, 3, 4)]
    _, alone = plan(request_for, at(settings, urls[0]))
    _, four = plan(request_for, at(settings, *urls))
    assert ("servers", "4; not asked: see doctor") in four.details
    assert alone.seconds
    assert four.seconds
    assert four.seconds == pytest.approx(alone.seconds / 4, rel=0.1)
    one = replace(request_for, shots="none", transition="cut")
    _, shot = plan(one, at(settings, *urls))
    assert ("servers", "4, of which 1 can work at once: one a shot; not asked: see doctor") in (
        shot.details
    )
    assert shot.seconds == pytest.approx(alone.seconds, rel=0.1)
