"""The wan session on a tiny random model: timing, motion, resuming, room on the device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from fakes import cancel_after
from media_factory import write_audio
from soundreel.api import generate, plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.base import Steadying
from soundreel.engines.wan import session as session_module
from soundreel.engines.wan.encoders import inputs as inputs_module
from soundreel.engines.wan.encoders import sound as sound_module
from soundreel.engines.wan.encoders.pictures import to_rgb
from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.motion import Motion, survivors
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling import sampler
from soundreel.engines.wan.session import WanSession
from soundreel.errors import Cancelled, EngineError, OutOfMemory, WorkError
from soundreel.events import Event, Notice, RunControl, StepDone, StepPreview
from soundreel.timeline.plan import cut_shot
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request, Shot, ShotRequest
from wan import tiny as wan_tiny
from wan.model_folder import make_model_folder


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


@pytest.fixture
def engine(settings: Settings) -> WanEngine:
    return WanEngine(with_model(settings))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 72, 3), np.uint8)).save(path)
    return path


def with_model(settings: Settings) -> Settings:
    return settings.model_copy(update={"models_dir": (wan_tiny.model_folder(),)})


def request_for(audio: Path, options: dict[str, Any] | None = None, **changes: Any) -> Request:
    values = {"audio": audio, "engine": "wan", "width": 64, "height": 64, "seed": 7}
    return Request(**{**values, "options": {**wan_tiny.OPTIONS, **(options or {})}, **changes})


def plan_for(engine: WanEngine, request: Request) -> Plan:
    return plan_request(request, probe(request.audio), engine, RunControl())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- resuming -------------------------------------------------------------------------------------


def test_stopped_anywhere_and_resumed_gives_the_same_bytes(
    tone: Path, image: Path, tmp_path: Path, settings: Settings
) -> None:
    whole = request_for(tone, image=image, num_frames=18, output=tmp_path / "whole.mp4")
    generate(whole, with_model(settings))
    for frames, sealed in ((3, 0), (14, 2)):
        broken = replace(whole, output=tmp_path / f"broken{frames}.mp4")
        with pytest.raises(Cancelled):
            generate(broken, with_model(settings), control=cancel_after(frames))
        assert generate(broken, with_model(settings)).resumed_chunks == sealed
        assert digest(tmp_path / f"broken{frames}.mp4") == digest(tmp_path / "whole.mp4")


def test_a_carried_decoder_gives_the_same_bytes_when_resumed(
    tone: Path, image: Path, tmp_path: Path, settings: Settings
) -> None:
    whole, broken = tmp_path / "whole.mp4", tmp_path / "broken.mp4"
    request = request_for(tone, {"carry_decoder": True}, image=image, num_frames=18, output=whole)
    generate(request, with_model(settings))
    request = replace(request, output=broken)
    with pytest.raises(Cancelled):
        generate(request, with_model(settings), control=cancel_after(14))
    assert generate(request, with_model(settings)).resumed_chunks == 2
    assert digest(broken) == digest(whole)


def test_a_steady_take_gives_the_same_bytes_when_resumed(
    tone: Path, image: Path, tmp_path: Path, settings: Settings
) -> None:
    whole, broken, off = (tmp_path / f"{name}.mp4" for name in ("whole", "broken", "off"))
    request = request_for(tone, image=image, num_frames=18, output=whole, steady="full")
    generate(request, with_model(settings))
    generate(replace(request, output=off, steady="off"), with_model(settings))
    assert digest(off) != digest(whole)
    request = replace(request, output=broken)
    with pytest.raises(Cancelled):
        generate(request, with_model(settings), control=cancel_after(14))
    assert generate(request, with_model(settings)).resumed_chunks == 2
    assert digest(broken) == digest(whole)


def test_the_next_chunk_goes_on_from_steadied_pictures(engine: WanEngine, tone: Path) -> None:
    """Its motion holds what was shown, to rounding, not what was decoded."""
    plan = plan_for(engine, request_for(tone, num_frames=34, steady="colour"))
    with engine.find(plan.request).open(plan.for_engine, RunControl()) as session:
        shown = [f.rgb for chunk in plan.chunks[:2] for f in session.render(chunk, RunControl())]
        assert isinstance(session, Steadying)
        held = Motion.from_bytes(session.snapshot(), torch.device("cpu")).pictures
    assert held is not None
    last = to_rgb(held[:, :, -1:])[0]
    assert np.array_equal(last, shown[-1])


def test_the_sound_acts_as_strongly_as_asked_and_a_shot_may_have_its_own(
    engine: WanEngine, tone: Path
) -> None:
    def pictures(options: dict[str, Any], *shots: dict[str, Any]) -> list[bytes]:
        listed = [
            ShotRequest(start=Fraction(n, 4), seed=n, options=own) for n, own in enumerate(shots)
        ]
        changes: dict[str, Any] = {"shots": tuple(listed)} if listed else {}
        plan = plan_for(engine, request_for(tone, options, num_frames=8, **changes))
        with engine.find(plan.request).open(plan.for_engine, RunControl()) as session:
            made = [f for chunk in plan.chunks for f in session.render(chunk, RunControl())]
        return [frame.rgb.tobytes() for frame in made]

    plain = pictures({})
    assert pictures({"audio_strength": 1.0}) == plain
    assert pictures({"audio_strength": 1.5}) != plain
    both = pictures({}, {}, {})
    own = pictures({}, {}, {"audio_strength": 0.5})
    assert own[:4] == both[:4]
    assert own[4:] != both[4:]


@pytest.mark.parametrize("scale", [1.0, 4.5])
def test_sound_guided_apart_is_the_formula_of_its_passes(
    engine: WanEngine, tone: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    """v = u + g (t - u) + a (c - t) of the model itself: c with prompt and sound, t without the
    sound, u with neither; by the code of one step, written down here."""
    prepared: list[dict[str, Any]] = []
    velocities: list[Any] = []
    found: list[Any] = []
    prepare = WanS2VTransformer3DModel.prepare
    forward = WanS2VTransformer3DModel.forward
    walk = sampler.denoise

    def watched(self: Any, *given: Any, **named: Any) -> Any:
        prepared.append({"text": given[0], "audio": given[1][0]})
        return prepare(self, *given, **named)

    def seen(self: Any, *given: Any) -> Any:
        found.append(forward(self, *given))
        return found[-1]

    def stepped(*given: Any) -> Any:
        for step in walk(*given):
            velocities.append(step.velocity)
            yield step

    monkeypatch.setattr(WanS2VTransformer3DModel, "prepare", watched)
    monkeypatch.setattr(WanS2VTransformer3DModel, "forward", seen)
    monkeypatch.setattr(session_module, "denoise", stepped)
    options = {"guidance_scale": scale, "audio_guidance": 6.0}
    plan = plan_for(engine, request_for(tone, options, num_frames=5, negative_prompt="none"))
    with engine.find(plan.request).open(plan, RunControl()) as session:
        list(session.render(plan.chunks[0], RunControl()))
    passes = 3 if scale > 1 else 2
    assert len(prepared) == passes
    assert len(found) == 2 * passes
    sounds = [bool(each["audio"].any()) for each in prepared]
    assert sounds == [True, False, False][:passes]
    assert torch.equal(prepared[0]["text"], prepared[1]["text"])
    assert passes == 2 or not torch.equal(prepared[2]["text"], prepared[0]["text"])
    c, t, *u = (each.sample for each in found[:passes])
    wanted = t + 6.0 * (c - t) if not u else u[0] + 4.5 * (t - u[0]) + 6.0 * (c - t)
    torch.testing.assert_close(velocities[0], wanted)


def test_the_same_guidance_for_both_is_wans_own(engine: WanEngine, tone: Path) -> None:
    def pictures(**options: Any) -> list[bytes]:
        plan = plan_for(engine, request_for(tone, options, num_frames=5))
        return [frame.rgb.tobytes() for frame in render_with(plan, engine)]

    plain = pictures()
    assert pictures(audio_guidance=2.0) == plain
    assert pictures(audio_guidance=5.0) != plain


def test_a_state_of_another_kind_is_refused(engine: WanEngine, tone: Path) -> None:
    plan = plan_for(engine, request_for(tone, num_frames=5))
    with engine.find(plan.request).open(plan, RunControl()) as session, pytest.raises(WorkError):
        session.restore(b"not a state of ours")


def test_a_chunk_without_the_state_before_it_is_refused(engine: WanEngine, tone: Path) -> None:
    plan = plan_for(engine, request_for(tone, num_frames=13))
    with (
        engine.find(plan.request).open(plan, RunControl()) as session,
        pytest.raises(EngineError, match="part 2"),
    ):
        list(session.render(plan.chunks[1], RunControl()))


def test_state_keeps_only_pictures_that_a_later_chunk_needs(engine: WanEngine, tone: Path) -> None:
    """Chunks of 80 + 44 + 40: 29 pictures outlive the second one; the last needs latents only."""
    geometry = ChunkGeometry(Fraction(16), 80, 4, 3, 3, 16)
    plan = plan_for(engine, request_for(tone, num_frames=5))
    shot = Shot(0, 0, 161)
    plan = replace(plan, shots=(shot,), chunks=tuple(cut_shot(shot, geometry)))
    assert [chunk.generated_frames for chunk in plan.chunks] == [80, 44, 40]
    buffer = torch.arange(73.0).view(1, 1, 73, 1, 1)
    outliving = survivors(plan, plan.chunks[1], buffer)
    assert outliving is not None
    assert outliving.flatten().tolist() == list(range(44, 73))
    none_left = survivors(plan, plan.chunks[0], buffer)
    assert none_left is not None
    assert none_left.shape[2] == 0
    assert survivors(plan, plan.chunks[2], buffer) is None
    assert plan.following(plan.chunks[2]) is None
    assert len(Motion().to_bytes()) < 100


def test_motion_survives_as_bytes_exactly() -> None:
    motion = Motion(torch.randn(1, 16, 19, 8, 8), torch.randn(1, 3, 5, 64, 64))
    again = Motion.from_bytes(motion.to_bytes(), torch.device("cpu"))
    assert again.latents is not None
    assert again.pictures is not None
    assert motion.latents is not None
    assert motion.pictures is not None
    assert torch.equal(again.latents, motion.latents)
    assert torch.equal(again.pictures, motion.pictures)


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "lead"),
    [({}, 3), ({"init_first_frame": True}, 0), ({"reference_timing": True}, 0)],
)
def test_sound_starts_as_much_earlier_as_pictures_are_dropped(
    engine: WanEngine,
    tone: Path,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    lead: int,
) -> None:
    heard: list[tuple[Any, ...]] = []
    pictures: list[tuple[int, int]] = []
    clip_sound, give = sound_module.clip_sound, sound_module.SoundFeatures.pictures

    def watched_sound(clip: AudioClip, start: Fraction, length: Fraction, *rest: Any) -> Any:
        heard.append((start, length))
        return clip_sound(clip, start, length, *rest)

    def watched_pictures(self: Any, first: int, count: int) -> Any:
        pictures.append((first, count))
        return give(self, first, count)

    monkeypatch.setattr(inputs_module, "clip_sound", watched_sound)
    monkeypatch.setattr(sound_module.SoundFeatures, "pictures", watched_pictures)
    request = request_for(tone, options, image=image, start=Fraction(1), num_frames=13)
    plan = plan_for(engine, request)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        for chunk in plan.chunks:
            list(session.render(chunk, RunControl()))
    start = 1 - Fraction(lead, 16)
    assert heard == [(start, 1 + Fraction(13, 16) - start)]
    assert pictures == [(0, 8), (8, 8)]


def test_lead_in_before_the_file_is_silence(
    engine: WanEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = np.full((1, 16000), 0.5, np.float32)
    plan = plan_for(
        engine, request_for(write_audio(tmp_path / "a.wav", loud, rate=16000), num_frames=5)
    )
    seen: list[Any] = []
    features = sound_module.SoundFeatures

    def watched(encoder: Any, sound: Any, *more: Any) -> Any:
        seen.append(sound.read(0, sound.num_samples))
        return features(encoder, sound, *more)

    monkeypatch.setattr(inputs_module, "SoundFeatures", watched)
    with engine.find(plan.request).open(plan, RunControl()):
        assert len(seen[0]) == 8000
        assert not seen[0][:3000].any()
        assert (seen[0][3000:] > 0.4).all()


# --- work that is done, and not done --------------------------------------------------------------


@pytest.mark.parametrize(("with_image", "frames", "encodes"), [(0, 5, 0), (1, 5, 1), (1, 18, 3)])
def test_nothing_is_encoded_that_nobody_needs(
    engine: WanEngine,
    tone: Path,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_image: int,
    frames: int,
    encodes: int,
) -> None:
    """The reference image once, motion between two chunks; no blanks, nothing after the last."""
    sizes: list[int] = []
    encode = WanVae.encode

    def watched(self: WanVae, pictures: Any, *rest: Any) -> Any:
        sizes.append(pictures.shape[2])
        return encode(self, pictures, *rest)

    monkeypatch.setattr(WanVae, "encode", watched)
    request = request_for(tone, image=image if with_image else None, num_frames=frames)
    plan = plan_for(engine, request)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        made = [len(list(session.render(chunk, RunControl()))) for chunk in plan.chunks]
    assert sum(made) == frames
    assert sizes == ([1, 73, 73][:encodes])


@pytest.mark.parametrize(("carried", "latents"), [(False, [3, 21, 21]), (True, [3, 2, 2])])
def test_a_carried_decoder_decodes_each_latent_once(
    engine: WanEngine,
    tone: Path,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    carried: bool,
    latents: list[int],
) -> None:
    sizes: list[int] = []
    decode = WanVae.decode

    def watched(self: WanVae, given: Any, *rest: Any) -> Any:
        sizes.append(given.shape[2])
        return decode(self, given, *rest)

    monkeypatch.setattr(WanVae, "decode", watched)
    request = request_for(tone, {"carry_decoder": carried}, image=image, num_frames=18)
    frames = list(render_with(plan_for(engine, request), engine))
    assert [frame.index for frame in frames] == list(range(18))
    assert sizes == latents


def test_guidance_of_one_runs_the_transformer_once_a_step(
    engine: WanEngine, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    forward = WanS2VTransformer3DModel.forward

    def counted(self: Any, *arguments: Any, **rest: Any) -> Any:
        passes.append(1)
        return forward(self, *arguments, **rest)

    monkeypatch.setattr(WanS2VTransformer3DModel, "forward", counted)
    for scale, expected in ((1.0, 2), (2.0, 4)):
        passes.clear()
        plan = plan_for(engine, request_for(tone, {"guidance_scale": scale}, num_frames=5))
        with engine.find(plan.request).open(plan, RunControl()) as session:
            list(session.render(plan.chunks[0], RunControl()))
        assert len(passes) == expected


def test_first_frame_option_starts_from_motion_with_the_image(
    engine: WanEngine, tone: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []
    encode = WanVae.encode

    def watched(self: WanVae, pictures: Any, *rest: Any) -> Any:
        encoded.append(pictures)
        return encode(self, pictures, *rest)

    monkeypatch.setattr(WanVae, "encode", watched)
    request = request_for(tone, {"init_first_frame": True}, image=image, num_frames=8)
    plan = plan_for(engine, request)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        assert len(list(session.render(plan.chunks[0], RunControl()))) == 8
    reference, motion = encoded
    assert not motion[:, :, :67].any()
    assert torch.equal(motion[:, :, 67:], reference.expand(-1, -1, 6, -1, -1))


def test_each_chunk_has_noise_of_its_own_seed(engine: WanEngine, tone: Path) -> None:
    seeds: list[int] = []

    def noise(shape: tuple[int, ...], seed: int, *_: Any) -> Any:
        seeds.append(seed)
        return torch.zeros(1, *shape)

    plan = plan_for(engine, request_for(tone, num_frames=18))
    for _ in render_with(plan, engine, noise=noise):
        pass
    assert seeds == [7, 8, 9]


def test_previews_come_as_often_as_asked_for(engine: WanEngine, tone: Path) -> None:
    events: list[Event] = []
    plan = plan_for(engine, request_for(tone, {"steps": 5, "preview_steps": 2}, num_frames=5))
    with engine.find(plan.request).open(plan, RunControl()) as session:
        list(session.render(plan.chunks[0], RunControl(events.append)))
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4, 5]
    previews = [event for event in events if isinstance(event, StepPreview)]
    assert [preview.step for preview in previews] == [2, 4, 5]
    assert all(preview.image.startswith(b"\xff\xd8") for preview in previews)


# --- room on the device ---------------------------------------------------------------------------


def render_with(plan: Plan, engine: WanEngine, **rest: Any) -> Iterator[Any]:
    """Frames of a session with other dependencies than the engine's."""
    from soundreel.engines.wan.files.selection import Selection
    from soundreel.engines.wan.job import make_components
    from soundreel.engines.wan.memory.offload import Residence
    from wan.files.weight_files import find_weights

    control = rest.pop("control", RunControl())
    residence = Residence(torch.device("cpu"), rest.pop("level", "none"))
    dtype = rest.pop("dtype", torch.float32)
    files = Selection(find_weights((rest.pop("folder", wan_tiny.model_folder()),)))
    parts = make_components(files, residence, dtype=dtype)
    if "resident" in rest:
        parts = replace(parts, resident=rest.pop("resident"))
    session = WanSession(plan, parse_options(plan.request.options), parts, **rest)
    session.prepare(control)
    for chunk in plan.chunks:
        yield from session.render(chunk, control)


@pytest.mark.parametrize("level", ["model", "block"])
def test_offloading_changes_no_picture(engine: WanEngine, tone: Path, level: str) -> None:
    plan = plan_for(engine, request_for(tone, num_frames=13))
    wanted = [frame.rgb for frame in render_with(plan, engine)]
    made = [frame.rgb for frame in render_with(plan, engine, level=level)]
    assert all(np.array_equal(a, b) for a, b in zip(made, wanted, strict=True))


def test_bfloat16_stays_near_float32(engine: WanEngine, tone: Path, tmp_path: Path) -> None:
    """On average a level of 255, with the same noise (measured: 0.9; 0.2 of it are the model's)."""

    def noise(shape: tuple[int, ...], seed: int, *_: Any) -> Any:
        return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))

    folder = make_model_folder(tmp_path / "models", vae_width=4)
    given = {"folder": folder, "noise": noise}
    plan = plan_for(engine, request_for(tone, num_frames=13))
    exact, coarse = (
        np.stack([frame.rgb for frame in render_with(plan, engine, **given, dtype=dtype)])
        for dtype in (torch.float32, torch.bfloat16)
    )
    difference = np.abs(exact.astype(int) - coarse)
    assert 0 < difference.mean() < 1.5


def test_a_prompt_that_is_cut_is_said(engine: WanEngine, tone: Path) -> None:
    for words, said in (("a singer", 0), ("a singer " * 100, 1)):
        events: list[Event] = []
        plan = plan_for(engine, request_for(tone, prompt=words, num_frames=5))
        with engine.find(plan.request).open(plan, RunControl(events.append)):
            notices = [event.message for event in events if isinstance(event, Notice)]
        assert sum("512 tokens" in notice for notice in notices) == said


@pytest.mark.parametrize("carried", [False, True])
def test_out_of_memory_goes_on_one_level_lower(
    engine: WanEngine, tone: Path, carried: bool
) -> None:
    """The chunk is made again from its beginning, and comes out as if nothing had happened."""
    plan = plan_for(engine, request_for(tone, {"carry_decoder": carried}, num_frames=13))
    wanted = [frame.rgb for frame in render_with(plan, engine)]
    uses, events = [0], list[Event]()

    @contextmanager
    def full_once(_: Any) -> Iterator[None]:
        uses[0] += 1
        if uses[0] == 6:
            raise torch.OutOfMemoryError("tried to allocate")
        yield

    control = RunControl(events.append)
    made = render_with(
        plan, engine, resident=full_once, lower=lambda: "going on lower", control=control
    )
    frames = [frame.rgb for frame in made]
    assert uses[0] > 6
    assert Notice("going on lower") in events
    assert all(np.array_equal(a, b) for a, b in zip(frames, wanted, strict=True))


def test_out_of_memory_at_the_lowest_level_says_what_to_try(engine: WanEngine, tone: Path) -> None:
    def full(_: Any) -> AbstractContextManager[None]:
        raise torch.OutOfMemoryError("tried to allocate")

    plan = plan_for(engine, request_for(tone, num_frames=5))
    with pytest.raises(OutOfMemory) as raised:
        list(render_with(plan, engine, resident=full))
    assert "size" in raised.value.hint
