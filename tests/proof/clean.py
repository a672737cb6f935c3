"""Files without a fault: ours, and those that ffmpeg's own filters draw of the same sounds.

Of ffmpeg's filters `showwaves` shows every sound two pictures late (clicks say so too), which the
check finds; here each picture stands at its own sound. `showcqt` and `showfreqs` state odd times at
their end and on the way; `fps` evens them, and they draw a second more than is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from audio.songs import RATE, march, pop, waltz
from media_factory import Samples, speech_like, write_audio
from oracle import make
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.types import Request

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 10


@dataclass(frozen=True, slots=True)
class Clean:
    """sound: its name. look: ffmpeg's filter, with {r} for the rate; "" is the preview engine.
    reacts: clearly enough for the lag to be told. steady: the same scene from beginning to end.
    calm: its pictures change little from one to the next."""

    name: str
    sound: str
    fps: Fraction
    look: str = ""
    image: str = ""
    reacts: bool = True
    steady: bool = False
    calm: bool = False

    @property
    def prompt(self) -> bool:
        """It shows each picture's own sound; ffmpeg's filters show a window of theirs."""
        return self.reacts and not self.look

    @property
    def moves(self) -> bool:
        """More than thin lines on black."""
        return not self.look.startswith(("aformat", "showcqt"))

    @property
    def lasts(self) -> bool:
        """It reacts, and is as long as a drift of 1 % or a lost picture needs to be told."""
        return self.reacts and self.sound != "speech"

    def write(self, folder: Path) -> Path:
        """The finished file, made once in a folder."""
        target = folder / f"{self.name}.mp4"
        if not target.exists():
            (self._drawn if self.look else self._ours)(folder, target)
        return target

    def _ours(self, folder: Path, target: Path) -> None:
        settings = Settings(work_dir=folder / "work", output_dir=folder)
        image = EXAMPLES / self.image if self.image else None
        request = Request(
            audio=sound_file(self.sound, folder), image=image, engine="preview", seed=3,
            width=208, height=304, fps=self.fps, output=target,
        )  # fmt: skip
        generate(request, settings)

    def _drawn(self, folder: Path, target: Path) -> None:
        look = self.look.format(r=self.fps)
        make(
            target, "-i", sound_file(self.sound, folder), "-filter_complex",
            f"[0:a]asplit[a][b];[a]apad=pad_dur=1,{look},fps={self.fps},format=yuv420p[v]",
            "-map", "[v]", "-map", "[b]", "-t", str(SECONDS),
            "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "aac",
        )  # fmt: skip


def sound_file(name: str, folder: Path) -> Path:
    """A sound by its name, written once in a folder."""
    if name == "speech":
        return EXAMPLES / "speech.wav"
    path = folder / f"{name}.wav"
    return path if path.exists() else write_audio(path, _sound(name), RATE)


def _sound(name: str) -> Samples:
    if name == "talk":
        return speech_like(SECONDS, rate=RATE, seed=3)
    song = {"pop": pop, "march": march, "waltz": waltz}[name]()
    return song.sound[:, 20 * RATE : (20 + SECONDS) * RATE]


_F16, _F25, _F30, _F60 = (Fraction(rate) for rate in (16, 25, 30, 60))
_WAVES = "s=240x160:r={r},trim=start_frame=1,setpts=N/({r}*TB)"

CLEAN = (
    Clean("ours-pop-16", "pop", _F16),
    Clean("ours-pop-30", "pop", _F30),
    Clean("ours-march-16", "march", _F16),
    Clean("ours-march-60", "march", _F60),
    Clean("ours-waltz-25", "waltz", _F25),
    Clean("ours-waltz-24000-1001", "waltz", Fraction(24000, 1001)),
    Clean("ours-talk-16", "talk", _F16),
    Clean("ours-talk-30", "talk", _F30),
    Clean("ours-face-16", "speech", _F16, image="portrait.png", steady=True, calm=True),
    Clean("ours-face-30", "speech", _F30, image="portrait.png", steady=True, calm=True),
    Clean("ours-cat-25", "march", _F25, image="cat.jpg", reacts=False, calm=True),
    Clean("cqt-pop-30", "pop", _F30, "showcqt=s=320x180:fps={r}"),
    Clean("cqt-talk-25", "talk", _F25, "showcqt=s=320x180:fps={r}"),
    Clean("freqs-march-30", "march", _F30, "showfreqs=s=240x160:rate={r}", steady=True),
    Clean("scope-march-60", "march", _F60,
          "aformat=channel_layouts=stereo,avectorscope=s=160x160:r={r}", steady=True),
    Clean("scope-talk-30", "talk", _F30,
          "aformat=channel_layouts=stereo,avectorscope=s=160x160:r={r}", steady=True),
    Clean("volume-pop-30", "pop", _F30, "showvolume=r={r}:w=240:h=60,pad=240:120", steady=True),
    Clean("waves-waltz-30", "waltz", _F30, f"showwaves=mode=cline:{_WAVES}", steady=True),
    Clean("waves-talk-16", "talk", _F16, f"showwaves=mode=line:{_WAVES}"),
    Clean("spectrum-waltz-25", "waltz", _F25, "showspectrum=s=240x160:slide=replace:fps={r}",
          reacts=False),
    Clean("histogram-pop-30", "pop", _F30, "ahistogram=s=240x160:r={r}", reacts=False),
)  # fmt: skip


def by_name(name: str) -> Clean:
    return next(each for each in CLEAN if each.name == name)
