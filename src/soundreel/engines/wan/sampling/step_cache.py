"""Sampling steps that are not computed, because little has changed since the last one that was.

EasyCache (arXiv 2507.02860; H-EmbodVis/EasyCache): between neighbouring steps the
velocity v changes at a steady rate with the latents x. So with i the last computed step,

    rate    = |v(i) - v(j)| / |x(i) - x(j)|          j: the computed step before it
    change += rate |x(t) - x(t-1)| / |v(i)|          at every step t after it; |.| is the mean

and while the change stays below a threshold, v(t) = x(t) + v(i) - x(i) stands in for a pass. All
that is kept are tensors of the latents' size, and blocks are run as ever or not at all: caches in
the blocks (diffusers' FirstBlockCache) keep all tokens, several times, for both passes of a step.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from soundreel.engines.wan.sampling.passes import always_computed
from soundreel.engines.wan.sampling.sampler import Predict


class StepCache:
    """Around the passes of one chunk.

    reused: passes that were not computed. on_reuse: called for each of them.
    """

    def __init__(
        self, threshold: float, steps: int, on_reuse: Callable[[], None] = lambda: None
    ) -> None:
        self._threshold, self._on_reuse = threshold, on_reuse
        self._always = iter(always_computed(steps))
        self._computing = True
        self._computed: tuple[Tensor, Tensor] | None = None
        self._latest: Tensor | None = None
        self._rate: Tensor | None = None
        self._change = 0.0
        self.reused = 0

    def leading(self, compute: Predict) -> Predict:
        """The first pass of every step: it decides for its step."""
        answer = self.following(compute)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            self._computing = self._is_due(latents)
            self._latest = latents
            velocity = answer(latents, timestep)
            if self._computing:
                self._learn(latents, velocity)
            return velocity

        return predict

    def following(self, compute: Predict) -> Predict:
        """Another pass of a step: computed if the first one was, or was never before."""
        offset: Tensor | None = None  # v - x of the last time that it was computed

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            nonlocal offset
            if self._computing or offset is None:
                velocity = compute(latents, timestep)
                offset = velocity - latents
                return velocity
            self.reused += 1
            self._on_reuse()
            return latents + offset

        return predict

    def _is_due(self, latents: Tensor) -> bool:
        always = next(self._always)
        if not always and self._rate is not None:
            assert self._latest is not None
            assert self._computed is not None
            moved = _mean(latents - self._latest) / _mean(self._computed[1])
            self._change += float(self._rate * moved)
            if self._change < self._threshold:
                return False
        self._change = 0.0
        return True

    def _learn(self, latents: Tensor, velocity: Tensor) -> None:
        if self._computed is not None:
            before, answered = self._computed
            self._rate = _mean(velocity - answered) / _mean(latents - before)
        self._computed = latents, velocity


def _mean(difference: Tensor) -> Tensor:
    return difference.abs().mean()
