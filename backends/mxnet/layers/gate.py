"""Gates of channels."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.conv import ConvAct, ConvNormAct
from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.pooling import global_pool
from core.arch.parts import ChannelGateSpec, NormSpec


class ChannelGate(HybridBlock):
    """[N, C, H, W] -> factors [N, C, 1, 1] between 0 and 1 (core.arch.parts.ChannelGateSpec)."""

    def __init__(self, channels: int, spec: ChannelGateSpec, norm: NormSpec) -> None:
        super().__init__()
        self.convs = nn.HybridSequential()
        self.convs.add(
            *[
                ConvNormAct(channels, channels, 1, norm, act=act)
                if spec.norm
                else ConvAct(channels, channels, 1, act=act)
                for act in spec.acts
            ]
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return F.sigmoid(self.convs(global_pool(F, x)))
