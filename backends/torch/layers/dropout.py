"""Dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


class SampleDropout(nn.Module):
    """Dropout of all of a picture's map: stochastic depth."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x * F.dropout(x.new_ones(len(x), 1, 1, 1), self.p, self.training)


def dropout(spec: DropoutSpec) -> nn.Module:
    if spec.p == 0:
        return nn.Identity()
    if spec.unit == "sample":
        return SampleDropout(spec.p)
    if spec.scale == "inference":
        return ScaledInInference(spec.p)
    return nn.Dropout2d(spec.p) if spec.unit == "channel" else nn.Dropout(spec.p)
