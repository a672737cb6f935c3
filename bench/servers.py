"""Several ComfyUI servers against one: fake ones, which sleep a second over each chunk, each a
process of its own. What is measured is what sharing costs.

The machine must be idle: it is wall time.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

from bench.memory import write_noise
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.types import Request, ShotRequest

SHOTS = 16
LEAST = {2: 1.9, 4: 3.6}
"""How much faster so many servers are, at least."""
_FAKE = """
import sys
sys.path.insert(0, "tests")
from comfyui.fake.server import FakeComfyUI
with FakeComfyUI() as server:
    server.faults.step_seconds = 0.25  # four steps a chunk
    print(server.url, flush=True)
    sys.stdin.read()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        sound = folder / "sound.wav"
        write_noise(sound, SHOTS)
        urls = [stack.enter_context(_fake_server()) for _ in range(max(LEAST))]
        _render(folder, sound, urls, len(urls))  # all is loaded now
        took, whole = _render(folder, sound, urls[:1])
        print(f"{SHOTS} shots of one chunk, one server: {took:.2f} s", flush=True)
        for count, least in LEAST.items():
            shared, made = _render(folder, sound, urls[:count])
            same = "same bytes" if made == whole else "OTHER BYTES"
            print(
                f"{count} servers: {shared:.2f} s, {took / shared:.2f}x as fast "
                f"(target {least}x), {same}",
                flush=True,
            )


def _render(
    folder: Path, sound: Path, urls: Sequence[str], count: int = SHOTS
) -> tuple[float, str]:
    """Wall seconds of the whole job, and the hash of its video."""
    shots = tuple(ShotRequest(start=Fraction(number)) for number in range(count))
    request = Request(
        audio=sound, engine="comfyui", width=64, height=64, seed=1, shots=shots,
        output=folder / f"{count}-{len(urls)}.mp4",
    )  # fmt: skip
    begin = time.monotonic()
    made = generate(request, Settings(work_dir=folder / "work", url=",".join(urls)))
    return time.monotonic() - begin, hashlib.sha256(made.path.read_bytes()).hexdigest()


@contextmanager
def _fake_server() -> Iterator[str]:
    """Gives its address."""
    command = [sys.executable, "-c", _FAKE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


if __name__ == "__main__":
    main()
