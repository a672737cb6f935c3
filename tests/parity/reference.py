"""Reader of a recorded reference set: a folder with `manifest.json` and safetensors files.

No test hard-codes a size or a case: configurations, cases and file names come from the manifest,
so that any set of the same layout can be tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STAGE_TOLERANCE = 2e-5
"""Max abs difference allowed for one stage (manifest: suggested_tolerance)."""

BF16_RELATIVE = 1e-2
"""Bound on |bf16 - float32| / |float32| (2-norms of the transformer's whole output)."""

END_TO_END_TOLERANCE = 1e-4
"""Max abs difference allowed for end-to-end latents and frames."""


@dataclass(frozen=True)
class ReferenceFile:
    """One safetensors file and its manifest entry. Tensors are read when they are asked for."""

    path: Path
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the manifest states (empty where it states none)."""
        return dict(self.entry.get("config") or {})

    @property
    def cases(self) -> dict[str, Any]:
        """Case name -> facts of the case."""
        return dict(self.entry.get("cases") or {})

    @property
    def keys(self) -> list[str]:
        return list(self.entry["tensors"])

    def __contains__(self, key: str) -> bool:
        return key in self.entry["tensors"]

    def tensor(self, key: str) -> torch.Tensor:
        """One tensor, as stored."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as stored:
            return stored.get_tensor(key)

    def tensors(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """All tensors whose name starts with `prefix`, by the rest of their name."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as stored:
            return {
                key[len(prefix) :]: stored.get_tensor(key)
                for key in self.entry["tensors"]
                if key.startswith(prefix)
            }

    def case(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one case: `<name>.<tensor>`."""
        return self.tensors(f"{name}.")


@dataclass(frozen=True)
class Reference:
    """A recorded set in `folder`."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "manifest.json").read_text(encoding="utf-8")))

    def file(self, start: str) -> ReferenceFile:
        """The one file whose name starts with `start`. Raises LookupError."""
        found = list(self.files(start))
        if len(found) != 1:
            raise LookupError(f"{len(found)} files named {start}* in {self.folder}")
        return found[0]

    def files(self, start: str) -> Iterator[ReferenceFile]:
        """Every file whose name starts with `start`, in the manifest's order."""
        for name, entry in self.manifest["files"].items():
            if name.startswith(start):
                yield ReferenceFile(self.folder / name, entry)


def max_abs(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest absolute difference, in float64. Raises AssertionError on other shapes."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} != {tuple(expected.shape)}"
    return (
        float((actual.detach().double() - expected.double()).abs().max()) if actual.numel() else 0
    )
