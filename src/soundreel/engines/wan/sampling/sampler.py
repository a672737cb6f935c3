"""From noise to latents: sigma ladders, solvers, guidance.

A flow model predicts the velocity v = noise - clean at x = (1 - sigma) clean + sigma noise; a
solver walks x down a ladder of sigmas from about 1 to 0. The ladders are those of Wan-Video/Wan2.2,
wan/utils/fm_solvers{,_unipc}.py; the solvers are diffusers' (arXiv 2302.04867, 2211.01095).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Literal, Protocol

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

TRAIN_TIMESTEPS = 1000
"""A timestep is sigma * 1000."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""Velocity (1, C, T, h, w) float32 for latents of that shape and a timestep (1,)."""


def sigma_ladder(sampler: str, steps: int, shift: float) -> tuple[Tensor, Tensor]:
    """Sigmas (steps + 1,) float32, the last one 0, and the timestep (steps,) of each but the last.

    UniPC starts at the highest sigma of training, 0.999 in float32, the others at 1. The official
    solvers cut timesteps to integers; few-step weights are trained on uncut ones.
    """
    highest = float(np.float32(0.999)) if sampler == "unipc" else 1.0
    even = np.linspace(highest, 0.0, steps + 1)[:-1]
    sigmas = shift * even / (1 + (shift - 1) * even)
    timesteps = torch.from_numpy(sigmas * TRAIN_TIMESTEPS)
    timesteps = timesteps.float() if sampler == "euler" else timesteps.long()
    return torch.from_numpy(np.append(sigmas, 0.0).astype(np.float32)), timesteps


class Scheduler(Protocol):
    """What we use of diffusers' schedulers."""

    sigmas: Tensor
    timesteps: Tensor

    def set_timesteps(self, num_inference_steps: int, /) -> None: ...

    def set_begin_index(self, begin_index: int, /) -> None: ...

    def step(
        self, velocity: Tensor, timestep: Tensor, latents: Tensor, /, *, return_dict: Literal[False]
    ) -> tuple[Tensor]:
        """The latents at the next sigma."""
        ...


@dataclass
class Solver:
    """One walk down the ladder; `step` is called once for each of `timesteps`, in order."""

    sigmas: Tensor
    timesteps: Tensor
    scheduler: Scheduler | None = None
    """diffusers' scheduler, which remembers earlier velocities; None is Euler's method."""
    _done: int = field(default=0, init=False)

    def step(self, velocity: Tensor, latents: Tensor) -> Tensor:
        """The latents at the next sigma."""
        index, self._done = self._done, self._done + 1
        if self.scheduler is None:
            stride = self.sigmas[index + 1] - self.sigmas[index]
            return latents + stride.to(latents.device) * velocity
        timestep = self.scheduler.timesteps[index]
        return self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]


class Ladder(Protocol):
    """What decides a walk: as in `wan22.Sampling`."""

    @property
    def steps(self) -> int: ...

    @property
    def flow_shift(self) -> float: ...

    @property
    def sampler(self) -> str: ...


def make_solver(sampling: Ladder) -> Solver:
    """A fresh walk for one chunk."""
    sigmas, timesteps = sigma_ladder(sampling.sampler, sampling.steps, sampling.flow_shift)
    if sampling.sampler == "euler":
        return Solver(sigmas, timesteps)
    scheduler = _unipc() if sampling.sampler == "unipc" else _dpm()
    # Its own ladder differs by up to 0.006.
    scheduler.set_timesteps(sampling.steps)
    scheduler.sigmas, scheduler.timesteps = sigmas, timesteps
    scheduler.set_begin_index(0)
    return Solver(sigmas, timesteps, scheduler)


def guide(
    conditional: Predict,
    weaker: Sequence[tuple[Predict, float]],
    guided: Iterable[bool] = repeat(True),
) -> Predict:
    """w_n + s_1 (c - w_1) + s_2 (w_1 - w_2) + ... of the conditional prediction c, and of `weaker`
    ones w with their scales s: each is told less than the one before it.

    With u alone, told nothing, it is u + s (c - u).
    guided: of each step, in their order, whether it is; else it takes only c, as without `weaker`.
    """
    if not weaker:
        return conditional
    steps, scales = iter(guided), [scale for _, scale in weaker]

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        strongest = conditional(latents, timestep)
        if not next(steps):
            return strongest
        found = [strongest, *(each(latents, timestep) for each, _ in weaker)]
        velocity = found[-1]
        for scale, (more, less) in zip(scales, pairwise(found), strict=True):
            velocity = velocity + scale * (more - less)
        return velocity

    return predict


@dataclass(frozen=True)
class Step:
    """State after a sampling step (from 1): the latents, and the clean ones foreseen by it."""

    index: int
    latents: Tensor
    velocity: Tensor
    clean: Tensor


@torch.no_grad()
def denoise(
    predict: Predict,
    noise: Tensor,
    solver: Solver,
    check: Callable[[], None],
    steps: slice = slice(None),
) -> Iterator[Step]:
    """Walk `noise` (1, C, T, h, w) float32 down to sigma 0. `check` is called before each step.

    steps: those to go, where the walk is gone in parts; `noise` is then where the last one ended.
    """
    latents = noise
    for index, timestep in list(enumerate(solver.timesteps))[steps]:
        check()
        velocity = predict(latents, timestep.to(latents.device)[None])
        clean = latents - solver.sigmas[index].to(latents.device) * velocity
        latents = solver.step(velocity, latents)
        yield Step(index + 1, latents, velocity, clean)


def draw_noise(
    shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Normal noise of `shape` without its batch of 1, float32 (1, *shape).

    Drawn on `device` in `dtype`, as the official code does, so that a seed gives its noise.
    """
    generator = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(shape, dtype=dtype, device=device, generator=generator)[None].float()


def _unipc() -> Scheduler:
    made: Scheduler = UniPCMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        solver_order=2,
        solver_type="bh2",
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
    )
    return made


def _dpm() -> Scheduler:
    made: Scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        solver_order=2,
        algorithm_type="dpmsolver++",
        solver_type="midpoint",
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
    )
    return made
