"""The wan engine's tiny random model, made once for all suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

OPTIONS = {
    "sampling_preset": "official",
    "steps": 2,
    "chunk_frames": 8,
    "guidance_scale": 2.0,
}
"""Two steps and short chunks: seconds instead of minutes."""


@cache
def _folder() -> TemporaryDirectory[str]:
    """Removed at exit."""
    from wan.model_folder import make_model_folder

    folder = TemporaryDirectory(prefix="soundreel-wan-")
    make_model_folder(Path(folder.name))
    return folder


def model_folder() -> Path:
    return Path(_folder().name)


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing by threads, and lose much where other work shares the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
