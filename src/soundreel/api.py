"""The whole flow on one screen: `generate()`.

request -> sound -> engine -> plan -> chunks, each sealed on disk -> join, with the sound -> result
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from soundreel.audio.load import AudioInfo, probe
from soundreel.audio.mix import MIX_NOTICE, choose_mix
from soundreel.config import Settings, load_settings
from soundreel.directing.direct import direct, read_direction
from soundreel.directing.drive import driving_sound, voices
from soundreel.engines.base import Deciding, Engine, lacking
from soundreel.errors import InputError
from soundreel.events import Notice, RunControl
from soundreel.finished.label import label_of, require_poster, tags_of, thumbnail, write_label
from soundreel.framerate.weights import with_weights
from soundreel.inputs import (
    check_faces,
    check_overlay,
    check_request,
    not_separated,
    separated,
    settled_cover,
    with_separator,
)
from soundreel.media import marks
from soundreel.media.image import load_image
from soundreel.output import (
    Target,
    check_target,
    claim,
    claim_automatic,
    noted_job,
    output_name,
    placed,
    write_sidecar,
    write_thumbnail,
)
from soundreel.post.describe import describe
from soundreel.post.interpolate import LOCAL_METHODS
from soundreel.post.pace import with_post_time
from soundreel.proof.check import check as prove
from soundreel.record import (
    TAG,
    asked,
    digest_of,
    hash_inputs,
    make_record,
    record_text,
    request_as_asked,
    require_same_inputs,
    with_absolute_paths,
)
from soundreel.registry import (
    Choice,
    choose,
    create,
    fit_options,
    require_overlay,
    source_type,
    writes_titles,
)
from soundreel.render.kept import Kept
from soundreel.render.run import hands_of, render_chunks
from soundreel.sharing import make_with
from soundreel.timeline.ends import require_ends
from soundreel.timeline.pieces import pieces_of
from soundreel.timeline.plan import choose_interpolation, fit_sound, make_plan, silent_clip
from soundreel.types import AudioClip, Estimate, Plan, Request, Result
from soundreel.versions import versions
from soundreel.video import mux, reader
from soundreel.video.containers import container_of, require_rate, with_container
from soundreel.video.encoders import is_exact, require_size, settled
from soundreel.video.exactness import require_copyable, verify_copy
from soundreel.video.signing import check_signer, sign
from soundreel.video.sound import measure_loudness
from soundreel.video.sound_format import stored_as
from soundreel.video.weight import expected_weight
from soundreel.video.writer import require_encoder
from soundreel.words import track as subtitles
from soundreel.words.planned import words_of
from soundreel.words.reading.recognise import with_recogniser
from soundreel.work.job import Fixed, Job
from soundreel.work.listing import ListedJob
from soundreel.work.room import room_notices
from soundreel.work.sweep import remove_old_jobs


def generate(
    request: Request,
    settings: Settings | None = None,
    *,
    control: RunControl | None = None,
    overwrite: bool = False,
    keep_job: bool = False,
    check: bool = False,
    kept: Kept | None = None,
) -> Result:
    """Make the video. Run it again after a crash or a stop and it goes on where it was.

    control: receives progress events and can cancel from another thread.
    keep_job: leave its folder, with the state after every chunk (see `remake`).
    check: judge the finished file (see `proof`); the verdict goes into the result and the sidecar.
    kept: pieces of an earlier video (see `remake`).
    Raises a SoundreelError (see errors.py), or Cancelled.
    """
    settings, control = settings or load_settings(), control or RunControl()
    request = with_container(request)
    if settings.timeout is not None:
        control.stop_after(settings.timeout)
    request, seconds = read_direction(request, control), dict[str, float]()
    request = with_separator(request, settings.models_dir)
    request = with_recogniser(request, settings.models_dir)
    remove_old_jobs(settings.work_dir)
    with control.stage("inputs", seconds):
        info = check_inputs(request, control)
        require_encoder(request.encoding, *request.output_size)
        if settings.c2pa is not None:
            check_signer(settings.c2pa, request.encoding)
        key = job_key(request, settings, kept)
    with Job(settings.work_dir, key, control, keep_states=keep_job) as job:
        plan, choice = _fixed_plan(request, info, settings, job, control)
        ready, origin = choice.ready, source_type(choice.engine, plan.request)
        if kept is None:
            job.fix("asked", asked(request, settings.output_dir.absolute(), len(pieces_of(plan))))
        inputs = hash_inputs(plan.request)
        record = make_record(plan, inputs, ready.identity, versions(plan), origin)
        record |= {} if kept is None else kept.facts
        target = _fixed_target(plan, settings, job, record)
        if not _is_finished(target.path, record, job, plan):
            made_from, small = plan.request.files.values(), plan.request.thumbnail
            check_target(target, made_from, overwrite=overwrite, thumbnail=small)
            _tell_room(plan, settings, target, control)
            job.bind(digest_of(record))
            same = partial(require_same_inputs, plan.request, inputs)
            with control.stage("render", seconds):
                make = make_with(plan, ready, settings, control)
                resumed = render_chunks(plan, ready, job, control, same, kept, make)
            with (
                control.stage("finish", seconds),
                placed(target, overwrite=overwrite) as temporary,
            ):
                _join(plan, job, record, temporary, control, settings.c2pa)
        else:
            resumed = len(plan.chunks)
        beside = write_thumbnail(target, thumbnail(plan, job)) if plan.request.thumbnail else None
        verdict = _judged(target.path, plan, seconds, control) if check else None
        sidecar = write_sidecar(target, record, _local_facts(plan, job, seconds, verdict))
        if not keep_job:
            job.remove()
    return Result(target.path, sidecar, plan, seconds, resumed, beside, verdict)


def is_made(request: Request, settings: Settings) -> bool:
    """Whether the file that the request names holds the video of just this request and its files,
    as its sidecar says."""
    video = request.output
    if video is None or not video.exists():
        return False
    request = read_direction(with_container(request), RunControl())
    whole = with_recogniser(with_separator(request, settings.models_dir), settings.models_dir)
    key = job_key(whole, settings)
    return noted_job(video) == key


def resume(
    job: ListedJob, settings: Settings, control: RunControl, *, overwrite: bool = False
) -> Result:
    """Finish an unfinished job (see `work.listing`) into its own output folder. Raises InputError
    where it cannot be taken up, and as `generate`."""
    if not job.asked:
        raise InputError(
            f"job {job.key[:8]} did not note what it makes: an earlier version began it, or it "
            "makes one shot again",
            hint="run its command again, or remove it",
        )
    request = request_as_asked(job.asked)
    settings = settings.model_copy(update={"output_dir": Path(str(job.asked["output_dir"]))})
    if job_key(request, settings) != job.key:
        raise InputError(
            f"job {job.key[:8]} cannot go on: a file that it is made from has changed",
            hint="put the old file back; or run the command again with the file as it is now",
        )
    return generate(request, settings, control=control, overwrite=overwrite)


def check_inputs(request: Request, control: RunControl | None = None) -> AudioInfo | None:
    """Refuse early what would fail late: values out of range, files that cannot be used. Gives
    what the sound is, where there is one."""
    check_request(request)
    for picture in request.pictures:
        load_image(picture)
    if request.sound is None:
        return None
    info = probe(
        request.sound,
        allow_truncated=request.allow_truncated,
        track=request.track,
        control=control,
    )
    stored_as(info.clip, request.encoding)
    return info


def plan_request(
    request: Request,
    info: AudioInfo | None,
    engine: Engine,
    control: RunControl,
    lacks: Collection[str] = (),
    vocals: Callable[[AudioClip], AudioClip] | None = None,
    fixed: Fixed | None = None,
) -> Plan:
    """The plan of a request whose engine and seed are resolved. Renders nothing. lacks: what of the
    engine's interpolations is not to be had; vocals: gives the voice in a clip; fixed: keeps what
    is heard for the life of a job."""
    request = replace(request, encoding=settled(request.encoding))
    request = settled_cover(request, getattr(engine, "shows_cover", False), control)
    check_faces(request, getattr(engine, "shows_faces", False), control)
    geometry = engine.geometry(request)
    by_engine = engine.interpolations - set(lacks)
    interpolation = choose_interpolation(request, geometry.fps, by_engine, LOCAL_METHODS)
    check_overlay(request, interpolation)
    factor = interpolation.factor
    whole = silent_clip(request, geometry.fps) if info is None else info.clip
    clip, count, notices = fit_sound(request, whole, geometry.fps, factor)
    for notice in notices:
        control.emit(Notice(notice))
    if info is not None and info.shortfall:
        control.emit(Notice(f"{info.path.name} ends a little early: {info.shortfall}"))
    clip = replace(clip, mix=choose_mix(clip, control))
    if clip.mix:
        control.emit(Notice(MIX_NOTICE))
    clip = replace(clip, loudness=measure_loudness(clip, request.encoding, control))
    request, shots = direct(request, clip, count, geometry.fps, control)
    drive = driving_sound(request, clip, control, vocals or partial(not_separated, control))
    made = make_plan(request, geometry, clip, count, interpolation, shots)
    made = replace(made, drive=drive, voices=voices(request, clip, drive, control))
    written = words_of(made, control, writes_titles(engine, request), fixed)
    made = replace(made, words=written)
    require_rate(request.encoding, made.output_fps)
    require_size(request.encoding, request.output_size)
    require_poster(made)
    require_ends(made)
    if not is_exact(request.encoding):
        control.emit(Notice("a card's encoder promises no same bytes: a second run may differ"))
    if remark := container_of(request.encoding).remark:
        control.emit(Notice(remark))
    for notice in describe(made):
        control.emit(Notice(notice))
    if request.encoding.audio_codec == "copy":
        require_copyable(clip, made.output_fps, control)
    return made


def plan(
    request: Request, settings: Settings | None = None, control: RunControl | None = None
) -> tuple[Plan, Estimate]:
    """The plan that `generate` would follow, and what it would cost. Renders and writes nothing;
    of a named engine's weights or server none need be there."""
    settings, control = settings or load_settings(), control or RunControl()
    request = read_direction(with_container(request), control)
    info = check_inputs(request, control)
    if request.engine == "auto":
        choice = choose(request, settings, control)
        made = plan_request(choice.request, info, choice.engine, control, lacking(choice.ready))
        return made, _whole(choice.ready.estimate(made.for_engine), made, settings)
    engine = create(request.engine, settings, request.kind)
    require_overlay(engine, request)
    made = plan_request(fit_options(request, control), info, engine, control)
    return made, _whole(engine.estimate(made.for_engine), made, settings)


def _whole(estimate: Estimate, plan: Plan, settings: Settings) -> Estimate:
    """Of an engine's estimate that of the job."""
    estimate, weight = with_post_time(estimate, plan, settings.work_dir), expected_weight(plan)
    return replace(estimate, work_bytes=weight.pieces, video_bytes=weight.video)


def _fixed_plan(
    request: Request, info: AudioInfo | None, settings: Settings, job: Job, control: RunControl
) -> tuple[Plan, Choice]:
    """Engine, seed and what the engine leaves open are decided when the job starts; a later run
    keeps to them."""
    choice = choose(request, settings, control, begun=job.fact("engine"))
    job.fixed("engine", lambda: choice.request.engine)
    seed = job.fixed("seed", lambda: secrets.randbelow(2**31) if request.seed < 0 else request.seed)
    resolved = replace(choice.request, seed=seed)
    ready = choice.ready
    vocals = partial(separated, job, request.separator, control)
    made = plan_request(resolved, info, choice.engine, control, lacking(ready), vocals, job.fixed)
    here = with_weights(made.interpolation, settings, control, lacking(ready))
    made = replace(made, interpolation=here)
    if isinstance(ready, Deciding):
        decisions = job.fixed("decisions", lambda: dict(ready.decide(made.for_engine, control)))
        choice = replace(choice, ready=ready.decided(decisions))
    return made, choice


def _fixed_target(plan: Plan, settings: Settings, job: Job, record: Mapping[str, object]) -> Target:
    """The file to write, kept from all other processes; a later run keeps to an automatic name,
    unless another video took it meanwhile."""
    if plan.request.output is not None:
        return claim(plan.request.output.absolute(), job)
    name = output_name(plan, datetime.now().strftime("%Y%m%d_%H%M%S"))
    ours = partial(_is_finished, record=record, job=job, plan=plan)
    return claim_automatic(settings.output_dir.absolute() / name, job, ours)


def _tell_room(plan: Plan, settings: Settings, target: Target, control: RunControl) -> None:
    weight = expected_weight(plan)
    for notice in room_notices(weight.pieces, weight.video, settings.work_dir, target.path.parent):
        control.emit(Notice(notice))


def job_key(request: Request, settings: Settings, kept: Kept | None = None) -> str:
    """The same in whatever folder the request is given. Sound and image count by name and content,
    wherever they lie: a pipe's lie elsewhere in every run."""
    place = (request.output or settings.output_dir).absolute()
    whole = with_container(with_absolute_paths(request))
    files = ((name, getattr(request, name)) for name in request.file_fields)
    names: Mapping[str, Any] = {
        name: file.name if isinstance(file, Path) else file for name, file in files
    }
    fonts = tuple(Path(font.name) for font in request.font)
    named = replace(whole, output=place, font=fonts, **names)
    facts = [] if kept is None else [kept.facts]
    return digest_of([named, hash_inputs(request), *facts])[:20]


def _is_finished(target: Path, record: Mapping[str, Any], job: Job, plan: Plan) -> bool:
    """True if an earlier run put this very video in place and was stopped right after."""
    if job.sealed < len(pieces_of(plan)) or not target.exists():
        return False
    try:
        return reader.read_tags(target).get(TAG) == record_text(record)
    except InputError:
        return False


def _join(
    plan: Plan,
    job: Job,
    record: Mapping[str, Any],
    temporary: Path,
    control: RunControl,
    signer: Path | None,
) -> None:
    require_same_inputs(plan.request, record["inputs"])
    job.check_pieces()
    pieces = [job.piece(piece.index) for piece in pieces_of(plan) if piece.frames]
    fps, encoding = plan.output_fps, plan.request.encoding
    label, mark = label_of(plan, job), marks.SCHEME + record["source_type"]
    tags = {TAG: record_text(record), marks.TAG: mark, **tags_of(label, plan)}
    mux.finish(pieces, plan.audio, temporary, fps, tags, control, encoding, plan.subtitles)
    write_label(temporary, label, plan)
    if signer is not None:
        sign(temporary, signer, encoding, mark)
    width, height = plan.request.output_size
    sound = plan.audio.duration if plan.audio.has_sound else None
    mux.verify(temporary, plan.output_frames, fps, width, height, sound, encoding)
    subtitles.verify(temporary, plan.subtitles, plan.audio)
    if encoding.audio_codec == "copy":
        verify_copy(temporary, plan.audio, control)
    require_same_inputs(plan.request, record["inputs"])  # the sound was read once more


def _judged(
    video: Path, plan: Plan, seconds: dict[str, float], control: RunControl
) -> dict[str, object]:
    """What the proof says of the finished file, against the sound that it was made from."""
    source = plan.request.sound if plan.audio.has_sound else None
    silent = container_of(plan.request.encoding).silent
    with control.stage("check", seconds):
        return prove(video, None if silent else source, control).document()


def _local_facts(
    plan: Plan, job: Job, seconds: Mapping[str, float], verdict: Mapping[str, object] | None
) -> dict[str, object]:
    """What only the sidecar says: where the inputs lay, who made which parts, how long the stages
    took, the verdict."""
    hands = hands_of(plan, job)
    return {
        **({} if verdict is None else {"check": verdict}),
        **({"hands": hands} if hands else {}),
        "job": job.key,
        "files": {name: str(path.absolute()) for name, path in plan.request.files.items()},
        "timings": {stage: round(took, 3) for stage, took in seconds.items()},
    }
