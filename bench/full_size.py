"""Loads a 14B transformer at its full size and takes one denoising step: peak memory and times.

    python -m bench.full_size                     # writes 16 GB below /tmp, runs, deletes them
    python -m bench.full_size --size 128x128 --folder /data --keep
    python -m bench.full_size --format gguf-q4_k_m       # or int8, or another mix of GGUF

The file is made from the published list of names and shapes, in ComfyUI's layouts of fp8_scaled and
int8 or as makers of GGUF files do (`gguf_mixes`), with random numbers. It is read cold (its pages
are dropped first). On a CPU the weights come from the file block by block; every block's pages are
given back after its use, as a machine short of memory does by itself, so that the peak shows what
the step needs and not what the system happens to cache.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.full_size_files import FORMATS, write_model

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    options = _options()
    if options.run is not None:
        print(json.dumps(measure(options.run, options.size)))
        return
    ending = "gguf" if options.format.startswith("gguf-") else "safetensors"
    path = options.folder.resolve() / f"full_size_s2v_{options.format}.{ending}"
    try:
        written = write_model(path, options.format)
        command = [sys.executable, "-m", "bench.full_size", "--run", str(path)]
        command += ["--size", options.size]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        report(json.loads(done.stdout.splitlines()[-1]), path, written)
    finally:
        if not options.keep:
            path.unlink(missing_ok=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where 16 GB are free")
    parser.add_argument(
        "--format", default="fp8_scaled", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS)
    )
    parser.add_argument("--size", default="64x64", help="pixels, WIDTHxHEIGHT, multiples of 16")
    parser.add_argument("--keep", action="store_true", help="do not delete the file")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


# --- the run ----------------------------------------------------------------------------------


def measure(path: Path, size: str) -> dict[str, Any]:
    """Load, one step, in this process. Times in seconds, memory in bytes."""
    import torch

    from soundreel.engines.wan.files.lookup import given
    from soundreel.engines.wan.load.models import load_transformer
    from soundreel.engines.wan.memory.offload import Residence
    from soundreel.engines.wan.model import transformer  # noqa: F401  (imports are not loading)

    _drop_cache(path)
    cpu = torch.device("cpu")
    before = memory()
    start = time.monotonic()
    model: Any = load_transformer(given(path, "transformer"), device=cpu, dtype=torch.float32)
    loaded = time.monotonic() - start
    blocks = _Blocks(model.blocks)
    width, height = (int(side) // 8 for side in size.split("x"))
    with torch.no_grad(), Residence(cpu, "block")(model):
        start = time.monotonic()
        ready = _conditioning(model, height, width)
        prepared = time.monotonic() - start
        noise = torch.randn(1, 16, 1, height, width, generator=torch.Generator().manual_seed(0))
        start, worked = time.monotonic(), time.process_time()
        latents = noise - model(noise, torch.tensor(999.0), ready).sample  # Euler, sigma 1 to 0
        stepped, worked = time.monotonic() - start, time.process_time() - worked
    return {
        "load_s": loaded,
        "prepare_s": prepared,
        "step_s": stepped,
        "step_cpu_s": worked,
        "blocks_s": blocks.seconds,
        "tokens": ready.context_tokens.shape[1] + height * width // 4,
        "anonymous": max(blocks.anonymous) - before["RssAnon"],
        "peak": memory()["VmHWM"],
        "before": before["VmRSS"],
        "finite": bool(latents.isfinite().all()),
    }


def _conditioning(model: Any, height: int, width: int) -> Any:
    """A text, four pictures' sound, a reference and a full motion buffer."""
    import torch

    random = torch.Generator().manual_seed(1)
    return model.prepare(
        torch.randn(1, 20, 4096, generator=random),
        torch.randn(1, 25, 1024, 4, generator=random),
        (1, height, width),
        torch.randn(1, 16, 1, height, width, generator=random),
        torch.randn(1, 16, 19, height, width, generator=random),
    )


class _Blocks:
    """Times every block, notes the memory, and gives the block's pages back."""

    def __init__(self, blocks: Any) -> None:
        self.seconds: list[float] = []
        self.anonymous: list[int] = []
        self._start = 0.0
        for block in blocks:
            block.register_forward_pre_hook(self._before)
            block.register_forward_hook(self._after)

    def _before(self, *_: object) -> None:
        self._start = time.monotonic()

    def _after(self, block: Any, *_: object) -> None:
        self.seconds.append(time.monotonic() - self._start)
        self.anonymous.append(memory()["RssAnon"])
        for parameter in block.parameters():
            if parameter.element_size() == 1:  # those that lie in the file
                _give_back(parameter.data_ptr(), parameter.nbytes)


def _give_back(address: int, size: int) -> None:
    """madvise(MADV_DONTNEED): whole pages of a file's mapping are read again when needed."""
    page = os.sysconf("SC_PAGE_SIZE")
    first, last = -(-address // page) * page, (address + size) // page * page
    libc = ctypes.CDLL(None, use_errno=True)
    if last > first:
        libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), 4)


def _drop_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory() -> dict[str, int]:
    """Of this process, by the names of the system; bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[-1:] == ["kB"]}


# --- the report -------------------------------------------------------------------------------


def report(figures: Mapping[str, Any], path: Path, written: float) -> None:
    blocks = sorted(figures["blocks_s"])
    print(f"file            {path.stat().st_size / 1e9:.2f} GB, written in {written:.0f} s")
    print(f"load            {figures['load_s']:.1f} s")
    print(f"conditions      {figures['prepare_s']:.1f} s")
    worked = figures["step_cpu_s"]
    print(
        f"one pass        {figures['step_s']:.1f} s, {worked:.1f} CPU s, {figures['tokens']} tokens"
    )
    middle = blocks[len(blocks) // 2]
    print(f"a block         {middle:.2f} s (median), {worked / len(blocks):.2f} CPU s (mean)")
    print(f"slowest block   {blocks[-1]:.2f} s")
    print(f"peak memory     {figures['peak'] / 1e9:.2f} GB resident, pages of the file included")
    print(
        f"  of our own    {figures['anonymous'] / 1e9:.2f} GB above {figures['before'] / 1e9:.2f}"
    )
    print(f"result finite   {figures['finite']}")


if __name__ == "__main__":
    main()
