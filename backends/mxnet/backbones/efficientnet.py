"""EfficientNet (Tan and Le, arXiv:1905.11946); numbers and variants in core/arch/backbones/efficientnet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, Tensor, activation, dropout, global_pool
from core.arch.backbones.efficientnet import EfficientNetSpec, MBConvSpec


class SqueezeExcite(HybridBlock):
    """Weighs each channel by what the means of all of them say (Hu et al., arXiv:1709.01507)."""

    def __init__(self, channels: int, squeezed: int, act: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2D(squeezed, 1, use_bias=True, in_channels=channels)
        self.act = activation(act, squeezed)
        self.expand = nn.Conv2D(channels, 1, use_bias=True, in_channels=squeezed)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return F.broadcast_mul(x, F.sigmoid(self.expand(self.act(self.reduce(global_pool(F, x))))))


class MBConv(HybridBlock):
    """1x1 convolution to many channels, depthwise, squeeze-and-excitation, 1x1 to few; the input is added."""

    def __init__(self, block: MBConvSpec, spec: EfficientNetSpec) -> None:
        super().__init__()
        self.residual = block.residual
        width, norm, act = block.width, spec.norm, spec.act
        self.expand = ConvNormAct(block.channels, width, 1, norm, act=act) if block.expands else Identity()
        self.depthwise = ConvNormAct(
            width, width, block.kernel, norm, stride=block.stride, padding=spec.padding, groups=width, act=act
        )
        self.excite = SqueezeExcite(width, block.squeezed, act) if block.squeezed else Identity()
        self.project = ConvNormAct(width, block.out, 1, norm, act="none")
        self.drop_path = dropout(block.drop_path)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + self.drop_path(y) if self.residual else y


class EfficientNet(Backbone):
    """The maps of layer1 … layer4, and the last convolution's."""

    def __init__(self, spec: EfficientNetSpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(
            spec.in_channels, spec.stem_width, 3, spec.norm, stride=2, padding=spec.padding, act=spec.act
        )
        for name, blocks in spec.layers().items():
            layer = nn.HybridSequential()
            layer.add(*[MBConv(block, spec) for block in blocks])
            setattr(self, name, layer)
        if spec.last:
            self.last = ConvNormAct(spec.channels("layer4"), spec.channels("last"), 1, spec.norm, act=spec.act)

    def half(self, F: ModuleType, x: Tensor) -> Tensor:
        """The map at half the picture's sides, which layer1 takes."""
        return self.layer0(self.stem(x))

    def advance(self, F: ModuleType, stage: str, x: Tensor) -> Tensor:
        """The map of `stage` from that of the one before."""
        return getattr(self, stage)(x)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.half(F, x)
        features = []
        for stage in self.stages:
            x = self.advance(F, stage, x)
            features.append(x)
        return tuple(features)
