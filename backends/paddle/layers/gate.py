"""Gates of channels."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers.conv import ConvAct, ConvNormAct
from backends.paddle.layers.pooling import global_pool
from core.arch.parts import ChannelGateSpec, NormSpec


class ChannelGate(nn.Layer):
    """[N, C, H, W] -> factors [N, C, 1, 1] between 0 and 1 (core.arch.parts.ChannelGateSpec)."""

    def __init__(self, channels: int, spec: ChannelGateSpec, norm: NormSpec) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *[
                ConvNormAct(channels, channels, 1, norm, act=act)
                if spec.norm
                else ConvAct(channels, channels, 1, act=act)
                for act in spec.acts
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(self.convs(global_pool(x)))
