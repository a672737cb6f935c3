"""Layers that always compute in float32, whatever the dtype of their weights.

The official code runs them under `autocast(dtype=torch.float32)` with bf16 weights. They upcast in
their forward, so that `model.to(torch.bfloat16)` stays right; weights kept in float32 cost nothing.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class FP32Linear(nn.Linear):
    """A Linear layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) any float dtype -> (..., out) float32."""
        bias = None if self.bias is None else self.bias.float()
        return F.linear(inputs.float(), self.weight.float(), bias)


class FP32Conv1d(nn.Conv1d):
    """A Conv1d layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in, T) any float dtype -> (B, out, T') float32."""
        bias = None if self.bias is None else self.bias.float()
        outputs: Tensor = self._conv_forward(inputs.float(), self.weight.float(), bias)
        return outputs
