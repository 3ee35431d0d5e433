"""Pyramid pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.layers.conv import ConvAct, ConvNormAct
from backends.torch.layers.pooling import adaptive_pool, strided_pool
from backends.torch.layers.resize import resize
from core.arch.parts import NormSpec, PyramidSpec


def _branch(channels: int, bins: int, spec: PyramidSpec, norm: NormSpec) -> nn.Module:
    if spec.normalised(bins):
        return ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act)
    return ConvAct(channels, spec.width, 1, bias=True, act=spec.act)


class PyramidPooling(nn.Module):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.ModuleList(_branch(channels, bins, spec, norm) for bins in spec.bins)

    def forward(self, x: Tensor) -> Tensor:
        pool = adaptive_pool if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(branch(pool(x, bins)), x.shape[2:], self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return torch.cat([x, *pooled] if self.spec.input_first else [*pooled, x], dim=1)
