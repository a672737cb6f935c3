"""Own memory of a whole job of the 14B, as a machine with 16 GB has to bear it.

    python -m bench.main_memory [--format gguf-q4_k_m]    # some minutes of one core

All four files in their full size and published layouts, as holes on the disk: numbers are zeros,
which take as much memory as any. A chunk of 8 pictures at 64x64 in one step, block by block, in
bfloat16, on the CPU: what is held for a card is held for this one too, and its two buffers for
blocks stand for the page-locked ones. Pages of the files are the system's cache and are left out.
The process is forbidden to take more of its own than such a machine has to give.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from bench.full_size import memory
from bench.full_size_files import FORMATS, header_of, size_of_any, tensors_of
from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.wan.cost import precision_of
from soundreel.engines.wan.engine import WanEngine
from soundreel.engines.wan.files.lookup import scan
from soundreel.engines.wan.files.places import Place
from soundreel.engines.wan.files.selection import Selection, select
from soundreel.engines.wan.job import make_components
from soundreel.engines.wan.load import models
from soundreel.engines.wan.memory.main_memory import SYSTEM, main_memory
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.session import WanSession
from soundreel.events import RunControl
from soundreel.types import Plan, Request
from wan.files.weight_files import key_lists, write_sparse

EXAMPLES = Path(__file__).parents[1] / "examples"
MACHINE = 16 * 2**30
OPTIONS = MappingProxyType({
    "sampling_preset": "quality", "steps": 1, "guidance_scale": 1.0, "chunk_frames": 8,
})  # fmt: skip
GB = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", default="fp8_scaled", choices=FORMATS)
    form = parser.parse_args().format
    bound = MACHINE - SYSTEM
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder), form)
        told = main_memory(precision_of(files), "block")
        before = memory()["RssAnon"]
        peaks = job(files)
    for name, peak in peaks.items():
        print(f"{name:28}{peak / GB:6.2f} GB of its own at most")
    print(f"{'before':28}{before / GB:6.2f} GB: Python and what is imported")
    print(
        f"{'the whole job':28}{max(peaks.values()) / GB:6.2f} GB; the plan says {told.own / GB:.2f}"
    )
    print(f"{'a machine with 16 GB':28}{bound / GB:6.2f} GB were allowed")


def written(folder: Path, form: str) -> Selection:
    """The published set, with a transformer in that format."""
    tensors = tensors_of(form)
    ending = "gguf" if form.startswith("gguf-") else "safetensors"
    sizes = {name: size_of_any(shape, kind) for name, (shape, kind) in tensors.items()}
    path = folder / f"transformer.{ending}"
    path.write_bytes(header := header_of(form, tensors, sizes))
    aligned = sum(size + (-size % 32 if ending == "gguf" else 0) for size in sizes.values())
    with path.open("r+b") as file:
        file.truncate(len(header) + aligned)
    for name in ("umt5_fp8_scaled", "vae_comfy", "wav2vec2_comfy"):
        write_sparse(folder / f"{name}.safetensors", key_lists()[name])
    return select(list(scan([Place("bench", folder)])))


def job(files: Selection) -> dict[str, int]:
    """The peak of own memory by what was on the device last."""
    plan, watch = _plan(), Watch()
    residence = _Noted(torch.device("cpu"), "block", watch)
    parts = make_components(files, residence, dtype=torch.bfloat16)
    with patch.object(models, "_tokenizer", lambda *_: lambda _: [5] * 20), watch.running():
        session = WanSession(plan, parse_options(plan.request.options), parts)
        session.prepare(RunControl())
        for _ in session.render(plan.chunks[0], RunControl()):
            pass
    return watch.peaks


def _plan() -> Plan:
    request = Request(
        audio=EXAMPLES / "speech.wav", image=EXAMPLES / "portrait.png", engine="wan", width=64,
        height=64, num_frames=5, seed=1, options=dict(OPTIONS),
    )  # fmt: skip
    return plan_request(request, check_inputs(request), WanEngine(Settings()), RunControl())


class Watch:
    """Looks at the process' own memory every few milliseconds."""

    def __init__(self) -> None:
        self.stage = "begin"
        self.peaks: dict[str, int] = {}
        self._done = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join(timeout=10)

    def _look(self) -> None:
        while not self._done.wait(0.01):
            now = memory()["RssAnon"]
            self.peaks[self.stage] = max(self.peaks.get(self.stage, 0), now)


class _Noted(Residence):
    """Says what comes to the device."""

    def __init__(self, device: torch.device, level: Any, watch: Watch) -> None:
        super().__init__(device, level)
        self._watch = watch

    @contextmanager
    def __call__(self, model: nn.Module) -> Iterator[None]:
        self._watch.stage = type(model).__name__
        with super().__call__(model):
            yield


if __name__ == "__main__":
    main()
