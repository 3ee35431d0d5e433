"""Dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.arch.parts import DropoutSpec


class ScaledInInference(nn.Module):
    """Dropout that leaves kept values as they are in training and multiplies by 1 - p in inference."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x * torch.empty_like(x).bernoulli_(1 - self.p)
        return x * (1 - self.p)


def dropout(spec: DropoutSpec) -> nn.Module:
    if spec.p == 0:
        return nn.Identity()
    if spec.scale == "inference":
        return ScaledInInference(spec.p)
    return nn.Dropout2d(spec.p) if spec.unit == "channel" else nn.Dropout(spec.p)
