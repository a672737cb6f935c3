"""Videos of images by a ComfyUI server: preflight, passes, faults, what stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfyui.engine_tools import digest, flat, listening, notices
from comfyui.fake.pictures import read_code
from comfyui.fake.server import FakeComfyUI
from comfyui.fake.values import blend, decode
from fakes import frames_of
from soundreel import registry
from soundreel.api import generate, plan_request
from soundreel.config import Settings
from soundreel.engines.base import Session
from soundreel.engines.comfyui.image_engine import ComfyUIImageEngine
from soundreel.errors import EngineUnavailable, InputError, OutOfMemory, RemoteError
from soundreel.events import RunControl
from soundreel.finished.replay import replay_request
from soundreel.record import TAG
from soundreel.types import Frame, ImageRequest, Plan
from soundreel.video.reader import read_tags

pytestmark = pytest.mark.usefixtures("quick_polls")

TWO_PASSES = 93
"""49 pictures, of which the first is the given one, and 44."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return painted(tmp_path / "bright.png", 200)


@pytest.fixture
def end(tmp_path: Path) -> Path:
    return painted(tmp_path / "dark.png", 60)


def painted(path: Path, level: int, size: tuple[int, int] = (64, 64)) -> Path:
    Image.fromarray(np.full((size[1], size[0], 3), level, np.uint8)).save(path)
    return path


def request_for(image: Path, **changes: object) -> ImageRequest:
    values: dict[str, object] = {"image": image, "engine": "comfyui", "size": (64, 64), "seed": 5}
    return ImageRequest(**{**values, **changes})  # type: ignore[arg-type]


def make_plan(server: FakeComfyUI, image: Path, **changes: object) -> Plan:
    engine = ComfyUIImageEngine(Settings(url=server.url))
    return plan_request(request_for(image, **changes), None, engine, RunControl())


@contextmanager
def opened(server: FakeComfyUI, plan: Plan, control: RunControl | None = None) -> Iterator[Session]:
    engine = ComfyUIImageEngine(Settings(url=server.url))
    with engine.find(plan.request).open(plan, control or RunControl()) as session:
        yield session


def render(server: FakeComfyUI, plan: Plan, control: RunControl | None = None) -> list[Frame]:
    control = control or RunControl()
    with opened(server, plan, control) as session:
        return flat([list(session.render(chunk, control)) for chunk in plan.chunks])


def numbers(frames: list[Frame]) -> list[int]:
    """The number of each picture in its own pass, as the server wrote it there."""
    return [read_code(frame.rgb).bucket for frame in frames]


def test_every_picture_of_every_pass_is_shown_once(image: Path) -> None:
    with FakeComfyUI() as server:
        frames = render(server, make_plan(server, image, num_frames=TWO_PASSES))
    assert numbers(frames) == [*range(49), *range(1, 45)]
    assert len({frame.rgb.tobytes() for frame in frames}) == TWO_PASSES


def test_a_pass_begins_where_the_one_before_it_ended(image: Path) -> None:
    """The fake goes from what it is given to half of its brightness."""
    with FakeComfyUI() as server:
        frames = render(server, make_plan(server, image, num_frames=TWO_PASSES))
        other = render(server, make_plan(server, image, num_frames=TWO_PASSES, seed=6))
    levels = [read_code(frame.rgb).loudness for frame in frames]
    assert levels[48] == pytest.approx(levels[0] / 2, abs=2)
    assert levels[49] == pytest.approx(levels[48], abs=8)
    assert digest(other) != digest(frames)


def test_only_the_last_pass_ends_with_the_given_picture(image: Path, end: Path) -> None:
    with FakeComfyUI() as server:
        frames = render(server, make_plan(server, image, num_frames=TWO_PASSES, last_frame=end))
        graphs = [entry["prompt"][2] for entry in server.engine.history.values()]
    kinds = [graph["50"]["class_type"] for graph in graphs]
    assert kinds == ["WanImageToVideo", "WanFirstLastFrameToVideo"]
    assert read_code(frames[-1].rgb).loudness == pytest.approx((60 - 16) * 255 / 220, abs=3)


def test_a_picture_of_another_shape_is_cut_as_the_file_is(tmp_path: Path) -> None:
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = 200
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    with FakeComfyUI() as server:
        cut = render(server, make_plan(server, path, num_frames=5))
        barred = render(server, make_plan(server, path, num_frames=5, fit_output="pad"))
    bright, dark = (read_code(frames[0].rgb).loudness for frames in (cut, barred))
    assert bright == pytest.approx((200 - 16) * 255 / 220, abs=3)
    assert dark < bright / 2


@pytest.mark.parametrize(("count", "factor"), [(1, 2), (9, 2), (10, 3), (TWO_PASSES, 2)])
def test_film_gives_the_pictures_of_one_long_interpolation(
    image: Path, count: int, factor: int
) -> None:
    with FakeComfyUI() as server:
        plan = make_plan(
            server, image, num_frames=count, interpolate="film", fps=Fraction(16 * factor)
        )
        made = np.stack([frame.rgb for frame in render(server, plan)])
        spare = plan.chunks[-1].lookahead_frames
        plain = make_plan(server, image, num_frames=count + spare)
        shown = np.stack([frame.rgb for frame in render(server, plain)])
        first = plan.chunks[0].num_frames
        if len(plan.chunks) > 1:  # a pass shows its first picture to FILM as it decoded it
            assert len(made) == count * factor
            shown, made = shown[: first - 1], made[: (first - 1) * factor - 1]
            assert np.array_equal(made, blend(shown, factor)[: len(made)])
            return
    assert len(made) == count * factor
    held = np.repeat(shown[-1:], factor - 1, axis=0)
    wanted = blend(shown, factor)
    assert np.array_equal(made, wanted[: len(made)] if spare else np.concatenate([wanted, held]))


class TestPreflight:
    def find(self, server: FakeComfyUI, image: Path, **changes: object) -> None:
        request = request_for(image, **changes)
        ComfyUIImageEngine(Settings(url=server.url)).find(request)

    def test_a_good_server_passes_and_nothing_is_sent(self, image: Path) -> None:
        with FakeComfyUI() as server:
            self.find(server, image)
            assert not server.prompts
            assert not server.uploads

    @pytest.mark.parametrize("node", ["WanImageToVideo", "WanFirstLastFrameToVideo"])
    def test_a_missing_node_is_named(self, image: Path, node: str) -> None:
        with (
            FakeComfyUI(missing=(node,)) as server,
            pytest.raises(EngineUnavailable, match=f"has no node {node}") as caught,
        ):
            self.find(server, image)
        assert "0.3.64" in caught.value.hint

    def test_missing_files_are_named_with_their_source(self, image: Path) -> None:
        """The recording of the newer server lists the sound's model alone."""
        with FakeComfyUI(newer=True) as server, pytest.raises(EngineUnavailable) as caught:
            self.find(server, image)
        for file in (
            "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
            "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors",
            "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors",
            "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors",
        ):
            assert file in caught.value.message
        assert "models/diffusion_models (from https://huggingface.co/" in caught.value.hint
        assert "do you mean" not in caught.value.hint, "the sound's model is no other name for it"

    def test_a_wrong_split_is_said_before_any_server_is_asked(self, image: Path) -> None:
        with FakeComfyUI() as server:
            with pytest.raises(InputError, match="there are 4 steps"):
                self.find(server, image, options={"split_step": 5})
            assert not server.requests

    def test_what_the_sound_s_engine_knows_is_refused(
        self, image: Path, settings: Settings
    ) -> None:
        request = request_for(image, options={"audio_encoder": "a.safetensors"})
        with pytest.raises(InputError, match="does not use"):
            registry.choose(request, settings, RunControl())

    def test_doctor_hears_what_is_there(self) -> None:
        with FakeComfyUI() as server:
            checks = ComfyUIImageEngine(Settings(url=server.url)).diagnose()
        assert all(check.ok for check in checks)
        [models] = [check.found for check in checks if check.name == "models"]
        assert "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors" in models


class TestFaults:
    def run_with(
        self, image: Path, end: Path, prepare: Callable[[FakeComfyUI], None]
    ) -> tuple[str, FakeComfyUI, str]:
        control, events = listening()
        with FakeComfyUI() as server:
            server.faults.down_seconds = 0.02
            plan = make_plan(server, image, num_frames=TWO_PASSES, last_frame=end)
            prepare(server)
            made = digest(render(server, plan, control))
            assert server.queue_ids() == []
        return made, server, notices(events)

    def test_a_cut_socket_and_a_restart_change_nothing(self, image: Path, end: Path) -> None:
        right, calm, _ = self.run_with(image, end, lambda _: None)
        for at in range(4, calm.messages_sent, calm.messages_sent // 4):

            def cut(server: FakeComfyUI, at: int = at) -> None:
                server.faults.cut_socket_at = at

            def kill(server: FakeComfyUI, at: int = at) -> None:
                server.faults.restart_at = at

            made, server, _ = self.run_with(image, end, cut)
            assert made == right, f"cut at message {at}"
            assert [node for _, node in server.engine.executed_nodes].count("4") == 2
            made, server, _ = self.run_with(image, end, kill)
            assert made == right, f"killed at message {at}"
            assert server.restarts == 1

    def test_pictures_that_the_socket_loses_are_fetched_as_files(
        self, image: Path, end: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("soundreel.engines.comfyui.client.run.LOST_SECONDS", 0.2)
        right, _, _ = self.run_with(image, end, lambda _: None)

        def silence(server: FakeComfyUI) -> None:
            server.faults.silent = True

        made, server, said = self.run_with(image, end, silence)
        assert made == right
        assert said.count("they are fetched as files") == 2
        assert server.files.used == 0

    def test_a_job_goes_on_with_a_server_that_has_lost_everything(
        self, image: Path, end: Path
    ) -> None:
        right, _, _ = self.run_with(image, end, lambda _: None)
        with FakeComfyUI() as server:
            plan = make_plan(server, image, num_frames=TWO_PASSES, last_frame=end)
            with opened(server, plan) as session:
                frames = list(session.render(plan.chunks[0], RunControl()))
                state = session.snapshot()
        with FakeComfyUI() as server, opened(server, plan) as session:
            session.restore(state)
            frames += session.render(plan.chunks[1], RunControl())
        assert digest(frames) == right

    def test_out_of_memory_says_what_to_do(self, image: Path) -> None:
        with FakeComfyUI() as server:
            plan = make_plan(server, image, num_frames=5)
            failure = ("KSamplerAdvanced", "torch.OutOfMemoryError", "Allocation on device\n")
            server.faults.fail_node = failure
            with pytest.raises(OutOfMemory) as caught:
                render(server, plan)
        assert "size" in caught.value.hint

    def test_too_few_pictures_are_found_out(
        self, image: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("soundreel.engines.comfyui.client.run.LOST_SECONDS", 0.2)
        monkeypatch.setattr("comfyui.fake.nodes.decode", lambda latents: decode(latents)[:-1])
        with FakeComfyUI() as server:
            plan = make_plan(server, image, num_frames=5)
            with pytest.raises(RemoteError, match="pictures instead of"):
                render(server, plan)


def test_a_whole_job_is_recorded_and_made_again(
    image: Path, end: Path, settings: Settings, tmp_path: Path
) -> None:
    with FakeComfyUI() as server:
        at = settings.model_copy(update={"url": server.url})
        request = request_for(
            image, last_frame=end, num_frames=9, output=tmp_path / "a.mp4",
            options={"sampling_preset": "quality", "steps": 6},
        )  # fmt: skip
        result = generate(request, at)
        record = json.loads(read_tags(result.path)[TAG])
        assert record["engine"]["workflow"] == "quality"
        sampling = json.loads(record["engine"]["sampling"])
        assert (sampling["steps"], sampling["split_step"]) == (6, 3)
        assert "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors" in record["engine"]["models"]
        assert record["source_type"] == "trainedAlgorithmicMedia"
        again = replay_request(result.path, None, None)
        assert again.options["steps"] == 6
        generate(again, at)
        assert len(frames_of(result.path)) == 9
        assert server.files.used == 0
