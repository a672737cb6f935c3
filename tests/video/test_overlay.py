"""Overlays: what other programs lay over a film, and what is refused before anything is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import oracle
from fakes import ORANGE, cancel_after, disc
from media_factory import sine, write_audio
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.finished.inspection import probe
from soundreel.finished.replay import replay_request, with_form
from soundreel.framerate.run import interpolate
from soundreel.media.alpha import FAINT, on_black, straight
from soundreel.post.crossfade import mix
from soundreel.post.lossless import packed, unpacked
from soundreel.proof.check import check
from soundreel.record import digest_of
from soundreel.remake import remake
from soundreel.types import Encoding, Request, Result, Rgb, ShotRequest, with_values
from soundreel.video import mux
from soundreel.video.encoders import encoder_for
from soundreel.video.reader import read_frames
from soundreel.video.writer import SegmentWriter

KINDS = ("mov", "webm")
DECODERS: Mapping[str, tuple[str, ...]] = {"mov": (), "webm": ("-c:v", "libvpx-vp9")}
"""FFmpeg's own decoder of VP9 leaves the alpha out."""

OFF: Mapping[str, float] = {"mov": 3, "webm": 40}
"""Levels by which an edge may be off: VP9 stores a colour for four pixels, as most video does."""

SIZE = (96, 64)
COUNT = 44
ALPHA = Encoding(alpha=True)
Pictures = NDArray[np.uint8]


def asked(folder: Path, kind: str, **more: Any) -> Request:
    rising = sine(3, rate=16000, level=0.9) * np.linspace(0, 1, 3 * 16000, dtype=np.float32)
    sound = write_audio(folder / "tone.wav", rising, rate=16000)
    return Request(
        audio=sound, engine="fake", width=SIZE[0], height=SIZE[1], seed=3, num_frames=COUNT,
        encoding=ALPHA, output=folder / f"over.{kind}", **more,
    )  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Of three parts."""
    folder = tmp_path_factory.mktemp(request.param)
    return generate(asked(folder, request.param), Settings(work_dir=folder / "work"))


def kind_of(made: Result) -> str:
    return made.path.suffix[1:]


def stored(path: Path) -> Pictures:
    """(n, h, w, 4) as another program decodes them, straight."""
    raw = oracle.run_ffmpeg(
        *DECODERS[path.suffix[1:]], "-i", path, "-fps_mode", "passthrough", "-an",
        "-pix_fmt", "rgba", "-f", "rawvideo", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0], 4)


def over_film(path: Path, colour: str) -> Pictures:
    """(n, h, w, 3) laid over a film of one colour by ffmpeg."""
    film = f"color=c={colour}:s={SIZE[0]}x{SIZE[1]}:r=16:d=9,format=gbrp"
    raw = oracle.run_ffmpeg(
        "-f", "lavfi", "-i", film, *DECODERS[path.suffix[1:]], "-r", "16", "-i", path,
        "-filter_complex",
        "[1:v]format=gbrap[over];[0:v][over]overlay=format=gbrp:alpha=straight:shortest=1",
        "-pix_fmt", "rgb24", "-an", "-f", "rawvideo", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)


def drawn(monkeypatch: pytest.MonkeyPatch, made: Result) -> list[Rgb]:
    """The pictures of a request, before they are encoded."""
    seen: list[Rgb] = []
    write = SegmentWriter.write

    def keep(self: SegmentWriter, rgb: Rgb) -> None:
        seen.append(rgb)
        write(self, rgb)

    monkeypatch.setattr(SegmentWriter, "write", keep)
    request = replace(made.plan.request, output=made.path.with_stem("again"))
    generate(request, Settings(work_dir=made.path.parent / "work2"), overwrite=True)
    return seen


def test_over_a_film_it_looks_as_it_was_drawn(
    made: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = drawn(monkeypatch, made)
    assert len(pictures) == COUNT
    for colour in ((32, 96, 192), (255, 255, 255), (0, 255, 0)):
        laid = over_film(made.path, "0x" + bytes(colour).hex())
        assert len(laid) == COUNT
        for own, seen in zip(pictures, laid, strict=True):
            clear = 1 - own[..., 3:] / 255
            off = np.abs(own[..., :3] + clear * colour - seen)
            assert off.max() <= OFF[kind_of(made)]
            assert off.mean() < 1.5


def test_where_nothing_is_drawn_the_film_is_as_it_was(made: Result) -> None:
    """The corners, in a whole video."""
    corners = stored(made.path)[:, :8, [*range(8), *range(-8, 0)], 3]
    assert corners.max() == 0


def test_no_edge_has_a_fringe(made: Result) -> None:
    """Whoever scales or blurs straight pictures mixes in the colours of what is clear."""
    picture = stored(made.path)[20, : SIZE[1] // 2]  # at the bottom lies a grey code
    seen = (picture[..., 3] > FAINT).astype(np.uint8)
    around = cv2.dilate(seen, np.ones((9, 9), np.uint8)) > seen
    for part, most in ((seen > 0, 3), (around, 8)):
        off = np.abs(picture[part][:, :3].astype(int) - ORANGE)
        assert off.mean() < most


def test_editors_are_told_what_it_is(made: Result) -> None:
    facts = probe(made.path)
    assert facts.picture is not None
    assert facts.picture.alpha
    with av.open(str(made.path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        told = (video.codec_context.name, sound.codec_context.name, video.codec_context.codec_tag)
        colours = video.codec_context.color_primaries, video.codec_context.color_trc
        assert (*colours, video.codec_context.colorspace) == (1, 1, 1)
        marks = {key.lower(): value for key, value in video.metadata.items()}
    if kind_of(made) == "mov":
        assert told == ("prores", "aac", "ap4h")
    else:
        assert told[:2] == ("vp9", "opus")
        assert marks["alpha_mode"] == "1"


def test_every_picture_is_there_on_its_time(made: Result) -> None:
    request = made.plan.request
    duration = made.plan.audio.duration
    mux.verify(made.path, COUNT, Fraction(16), *SIZE, duration, request.encoding)
    opaque = replace(request.encoding, alpha=False, codec="h264")
    with pytest.raises(WorkError, match="pictures, not"):
        mux.verify(made.path, COUNT, Fraction(16), *SIZE, duration, opaque)


def test_stopped_and_gone_on_with_it_has_the_same_bytes(made: Result, tmp_path: Path) -> None:
    request = asked(tmp_path, kind_of(made))
    settings = Settings(work_dir=tmp_path / "work")
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(30))
    again = generate(request, settings)
    assert again.resumed_chunks == 1
    assert again.path.read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_same_pictures_give_same_bytes(tmp_path: Path, kind: str) -> None:
    encoding = Encoding(alpha=True, container=kind)
    digests = set()
    for run in range(2):
        path = tmp_path / f"{run}.{kind}"
        with SegmentWriter(path, 320, 64, Fraction(16), encoding) as writer:
            for index in range(12):
                writer.write(disc(index * 20, (320, 64)))
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_who_reads_it_without_a_film_sees_it_on_black(made: Result) -> None:
    """So do the proof, thumbnails, and whatever else here looks at finished files."""
    own, others = list(read_frames(made.path)), over_film(made.path, "black")
    assert len(own) == COUNT
    assert np.abs(np.stack(own).astype(int) - others).max() <= 8
    assert not [line for line in check(made.path).lines if line.word == "fail"]


def test_straight_colours_are_those_that_pillow_finds() -> None:
    random = np.random.default_rng(4)
    opacity = random.integers(FAINT, 256, (24, 32, 1)).astype(np.uint8)
    colour = random.integers(0, 256, (24, 32, 3)).astype(np.uint8)
    picture = np.dstack([np.minimum(colour, opacity), opacity])
    theirs = np.asarray(Image.fromarray(picture, "RGBa").convert("RGBA"))
    ours = straight(picture)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.abs(on_black(ours).astype(int) - picture[..., :3]).max() <= 1


def test_what_is_clear_takes_the_colours_that_are_nearest() -> None:
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[8:24, 8:24] = (200, 0, 0, 200)
    picture[40:56, 40:56] = (0, 0, 100, 100)
    found = straight(picture)
    assert np.abs(found[4, 14, :3].astype(int) - (255, 0, 0)).max() < 8
    assert np.abs(found[60, 48, :3].astype(int) - (0, 0, 255)).max() < 8
    assert np.array_equal(found[..., 3], picture[..., 3])
    assert straight(np.zeros((16, 20, 4), np.uint8)).max() == 0


def test_a_picture_that_waits_keeps_its_alpha() -> None:
    one, other = disc(40, SIZE), disc(200, SIZE)
    assert np.array_equal(unpacked(packed(one)), one)
    half = mix(one, other, Fraction(1, 2)).astype(int)
    assert np.abs(half - (one.astype(int) + other) / 2).max() <= 1


def test_shots_fade_into_each_other_clear_as_they_are(tmp_path: Path) -> None:
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(1)))
    request = asked(tmp_path, "mov", shots=shots, transition="crossfade:0.5")
    seen = stored(generate(request, Settings(work_dir=tmp_path / "work")).path)
    assert len(seen) == COUNT
    assert seen[:, :8, :8, 3].max() == 0


def test_one_shot_again_leaves_the_bytes_of_the_others(tmp_path: Path) -> None:
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(1)))
    settings = Settings(work_dir=tmp_path / "work")
    before = generate(asked(tmp_path, "mov", shots=shots), settings).path
    after = remake(before, 2, {"prompt": "other"}, settings).path
    one, other = stored(before), stored(after)
    assert np.array_equal(one[:16], other[:16])
    assert not np.array_equal(one[16:], other[16:])
    assert probe(after).picture.alpha  # type: ignore[union-attr]


def test_drafts_and_frames_of_another_shape_stay_clear(tmp_path: Path) -> None:
    request = asked(
        tmp_path, "mov", draft=True, render_size=(64, 64), fit_output="pad", thumbnail=True
    )
    small = replace(request, num_frames=4)
    found = generate(small, Settings(work_dir=tmp_path / "work"))
    with av.open(str(found.path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgba")
    assert picture.shape == (32, 48, 4)
    assert picture[:16, :6, 3].max() == 0  # a bar
    assert picture[20:, :30, 3].max() > 180  # the word
    assert found.thumbnail is not None
    assert np.asarray(Image.open(found.thumbnail))[:4, :4].max() < 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": "a.mp4"}, "needs a file that holds alpha"),
        ({"output": "a.gif"}, "ends in .mov or .webm"),
        ({"encoding.codec": "h265"}, "overlay in a mov is ProRes 4444, encoded by the CPU"),
        ({"output": "a.webm", "encoding.codec": "av1"}, "overlay in a webm is VP9"),
        ({"encoding.encoder": "nvenc"}, "encoded by the CPU"),
        ({"encoding.crf": 20}, "ProRes 4444 has no such scale"),
        ({"engine": "comfyui"}, "its pictures fill the frame"),
        ({"steady": "colour"}, "does not drift"),
        ({"fit_output": "blur"}, "would cover the film"),
        ({"fps": 24}, "the engine's own pictures alone"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_drawn(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    request = asked(tmp_path, "mov")
    with pytest.raises(InputError) as raised:
        plan(with_values(request, changes), Settings(work_dir=tmp_path / "work"))
    assert words in f"{raised.value.message} {raised.value.hint}"


def test_without_a_name_it_is_a_mov(tmp_path: Path) -> None:
    unnamed = replace(asked(tmp_path, "mov"), output=None)
    found, _ = plan(unnamed)
    assert found.request.encoding.container == "mov"


def test_another_kind_of_it_has_its_own_codec(made: Result) -> None:
    request = replay_request(made.path, None, None)
    other = {"mov": "webm", "webm": "mov"}[kind_of(made)]
    for changes in ({"output": f"b.{other}"}, {"encoding.alpha": False, "output": "b.mp4"}):
        again = with_values(request, with_form(request, changes))
        found, _ = plan(again)
        expected = encoder_for(found.request.encoding)
        assert found.request.encoding.crf == expected.crf
    opaque = with_values(request, {"encoding.alpha": False, "output": "b.mp4"})
    back = with_values(opaque, with_form(opaque, {"encoding.alpha": True}))
    assert digest_of(replace(back, output=None).encoding) == digest_of(
        replace(ALPHA, container=back.encoding.container)
    )


def test_nothing_is_put_between_its_pictures(made: Result, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has alpha, which would be lost"):
        interpolate(made.path, 32, output=tmp_path / "b.mp4")


def test_auto_takes_an_engine_that_draws_overlays(tmp_path: Path, settings: Settings) -> None:
    request = replace(asked(tmp_path, "mov"), engine="auto", options={"look": "bars"})
    assert plan(request, settings)[0].request.engine == "preview"
