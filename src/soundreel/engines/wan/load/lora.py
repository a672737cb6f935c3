"""LoRA files: read in every common key style, and added to linear layers when they are used.

A LoRA holds for a layer two thin matrices, down (rank, in) and up (out, rank), and perhaps an
alpha: the layer then gives `base(x) + strength * alpha / rank * up(down(x))` (Hu et al. 2021,
section 4.1; without alpha the factor is 1, as in PEFT). That is the base layer with
`strength * alpha / rank * up @ down` added to its weight, which is done for each use: what is held
is not changed, so 8-bit weights stay.

Key styles: `diffusion_model.blocks.0.self_attn.q.lora_down.weight` (ComfyUI, lightx2v),
`lora_unet_blocks_0_self_attn_q.lora_down.weight` (kohya), `transformer.blocks.0.attn1.to_q.lora_A
.weight` (diffusers), `base_model.model.blocks.0.self_attn.q.lora_A.default.weight` (PEFT).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from soundreel.engines.wan.files.limits import MAX_CONFIG, faults_of, read_json_object
from soundreel.engines.wan.load.mapped import read_state
from soundreel.engines.wan.model.layers import Product, Restoring, product, restored
from soundreel.errors import InputError

_MAX_ALPHA = 1e6
_PART = re.compile(
    r"^(?P<layer>.+)\.(?P<part>lora_down|lora_up|lora_A|lora_B)(\.default)?\.weight$"
)
_PREFIX = re.compile(
    r"^(base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|transformer\.|unet\."
    r"|lora_unet_|lora_transformer_)+"
)


@dataclass(frozen=True, slots=True)
class LoraSpec:
    """A file and how strongly it acts (1 is as trained)."""

    path: Path
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class LoraReport:
    """What became of one file: layers that it changed, and the keys that fit no layer."""

    name: str
    applied: int
    unmatched: tuple[str, ...]

    @property
    def message(self) -> str:
        """One sentence for the user."""
        text = f"LoRA {self.name}: {self.applied} layers changed"
        if not self.unmatched:
            return text
        groups = sorted({_group(key) for key in self.unmatched})
        return (
            f"{text}; {len(self.unmatched)} keys fit no layer and are unused: {', '.join(groups)}"
        )


class LowRank(nn.Module):
    """One LoRA's part in one layer's weight: `scale * up @ down`."""

    def __init__(self, down: Tensor, up: Tensor, scale: float) -> None:
        super().__init__()
        self.down = nn.Parameter(down, requires_grad=False)  # (rank, in)
        self.up = nn.Parameter(up, requires_grad=False)  # (out, rank)
        self.scale = scale


class LoraLinear(nn.Module, Restoring):
    """A linear layer and the LoRAs on it; the base layer is unchanged.

    They go into the weight as it is used, not onto what it gives: a weight is far smaller than the
    activations of a chunk. Where the base layer restores none, they go onto what it gives.
    """

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.loras = nn.ModuleList()

    @property
    def weight(self) -> Tensor:
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        return self.base_layer.in_features

    @property
    def out_features(self) -> int:
        return self.base_layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.ready(x.dtype)(x)

    def ready(self, dtype: torch.dtype) -> Product:
        """See `Restoring`."""
        base = self.base_layer
        if not isinstance(base, Restoring) or base.restores:
            return super().ready(dtype)
        through = base.ready(dtype)
        parts = [(lora.down.to(dtype), lora.up.to(dtype), lora.scale) for lora in self._loras]

        def run(x: Tensor) -> Tensor:
            made = through(x)
            for down, up, scale in parts:
                thin = product(x.to(dtype), down, None)
                made.flatten(0, -2).addmm_(thin.flatten(0, -2), up.t(), alpha=scale)
            return made

        return run

    def restored(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """See `Restoring`."""
        weight, bias = restored(self.base_layer, dtype)
        for lora in self._loras:
            up, down = lora.up.to(weight.dtype), lora.down.to(weight.dtype)
            if weight is self.base_layer.weight:
                weight = torch.addmm(weight, up, down, alpha=lora.scale)
            else:
                weight = weight.addmm_(up, down, alpha=lora.scale)
        return weight, bias

    @property
    def _loras(self) -> Iterable[LowRank]:
        return cast("Iterable[LowRank]", self.loras)


def apply_loras(
    model: nn.Module,
    specs: Sequence[LoraSpec],
    *,
    aliases: Mapping[str, str],
    dtype: torch.dtype,
    device: torch.device,
) -> list[LoraReport]:
    """Put each LoRA on the model's linear layers, in place, and say what fitted.

    aliases: further names of a layer (the official checkpoint's, diffusers') -> its module path.
    Raises InputError for a file that fits no layer at all.
    """
    linears = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    table = {_flat(name): name for name in linears}
    table.update({_flat(alias): name for alias, name in aliases.items() if name in linears})
    reports = []
    for spec in specs:
        reports.append(_apply_one(model, linears, table.get, spec, dtype, device))
    return reports


def _apply_one(
    model: nn.Module,
    linears: Mapping[str, nn.Linear],
    find: Callable[[str], str | None],
    spec: LoraSpec,
    dtype: torch.dtype,
    device: torch.device,
) -> LoraReport:
    layers, unmatched = read_lora(spec.path)
    applied = 0
    for layer, parts in layers.items():
        name = find(_flat(layer))
        down, up = parts.get("down"), parts.get("up")
        if name is None or down is None or up is None or not _fits(linears[name], down, up):
            unmatched += [f"{layer}.{part}" for part in parts]
            continue
        scale = spec.strength * _alpha(parts, down.shape[0]) / down.shape[0]
        low_rank = LowRank(down.to(device, dtype), up.to(device, dtype), scale)
        _wrapped(model, name).loras.append(low_rank)
        applied += 1
    if applied == 0:
        raise InputError(
            f"LoRA {spec.path.name} fits no layer of this Wan transformer",
            hint="it was made for another model: take one for Wan 2.1 or 2.2 14B",
        )
    return LoraReport(spec.path.name, applied, tuple(sorted(unmatched)))


def read_lora(path: Path) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Layer -> {"down", "up", "alpha"}, and the keys that are not low-rank parts (diff, diff_b)."""
    layers: dict[str, dict[str, Tensor]] = {}
    other: list[str] = []
    alphas: dict[str, Tensor] = {}
    for key, tensor in read_state([path]).items():
        match = _PART.match(key)
        if match:
            part = "down" if match["part"] in ("lora_down", "lora_A") else "up"
            layers.setdefault(_PREFIX.sub("", match["layer"]), {})[part] = tensor
        elif key.endswith(".alpha"):
            alphas[_PREFIX.sub("", key.removesuffix(".alpha"))] = tensor
        else:
            other.append(key)
    for layer, parts in layers.items():
        alpha = alphas.pop(layer, _config_alpha(path))
        parts.update({} if alpha is None else {"alpha": alpha})
    return layers, other + [f"{layer}.alpha" for layer in alphas]


def _config_alpha(path: Path) -> Tensor | None:
    """PEFT keeps alpha in `adapter_config.json` beside the weights."""
    config = path.parent / "adapter_config.json"
    if not config.is_file():
        return None
    with faults_of(config, "a readable adapter_config.json", "fetch it again, or give a strength"):
        alpha = read_json_object(config, MAX_CONFIG).get("lora_alpha")
        if alpha is None:
            return None
        if not isinstance(alpha, int | float) or not 0 < alpha < _MAX_ALPHA:
            raise ValueError(f"its lora_alpha is not a number between 0 and {_MAX_ALPHA:,.0f}")
        return torch.tensor(float(alpha))


def _alpha(parts: Mapping[str, Tensor], rank: int) -> float:
    alpha = parts.get("alpha")
    return float(rank) if alpha is None else float(alpha.reshape(-1)[0])


def _fits(linear: nn.Linear, down: Tensor, up: Tensor) -> bool:
    return (
        down.dim() == up.dim() == 2
        and (up.shape[0], down.shape[1]) == (linear.out_features, linear.in_features)
        and up.shape[1] == down.shape[0]
    )


def _wrapped(model: nn.Module, name: str) -> LoraLinear:
    module = model.get_submodule(name)
    if not isinstance(module, LoraLinear):
        assert isinstance(module, nn.Linear)
        module = LoraLinear(module)
        model.set_submodule(name, module)
    return module


def _flat(name: str) -> str:
    """kohya joins names with underscores; so compared, all styles agree."""
    return name.replace(".", "_")


def _group(key: str) -> str:
    """Keys that differ in the block's number alone are one entry of the message."""
    return re.sub(r"(blocks?[._])\d+", r"\1*", _PREFIX.sub("", key))
