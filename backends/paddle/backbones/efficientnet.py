"""EfficientNet (Tan and Le, arXiv:1905.11946); numbers and variants in core/arch/backbones/efficientnet.py."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, ConvNormAct, activation, dropout, global_pool
from core.arch.backbones.efficientnet import EfficientNetSpec, MBConvSpec


class SqueezeExcite(nn.Layer):
    """Weighs each channel by what the means of all of them say (Hu et al., arXiv:1709.01507)."""

    def __init__(self, channels: int, squeezed: int, act: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2D(channels, squeezed, 1)
        self.act = activation(act, squeezed)
        self.expand = nn.Conv2D(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.sigmoid(self.expand(self.act(self.reduce(global_pool(x)))))


class MBConv(nn.Layer):
    """1x1 convolution to many channels, depthwise, squeeze-and-excitation, 1x1 to few; the input is added."""

    def __init__(self, block: MBConvSpec, spec: EfficientNetSpec) -> None:
        super().__init__()
        self.residual = block.residual
        width, norm, act = block.width, spec.norm, spec.act
        self.expand = ConvNormAct(block.channels, width, 1, norm, act=act) if block.expands else nn.Identity()
        self.depthwise = ConvNormAct(
            width, width, block.kernel, norm, stride=block.stride, padding=spec.padding, groups=width, act=act
        )
        self.excite = SqueezeExcite(width, block.squeezed, act) if block.squeezed else nn.Identity()
        self.project = ConvNormAct(width, block.out, 1, norm, act="none")
        self.drop_path = dropout(block.drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + self.drop_path(y) if self.residual else y


class EfficientNet(Backbone):
    """The maps of layer1 … layer4, and the last convolution's."""

    def __init__(self, spec: EfficientNetSpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(
            spec.in_channels, spec.stem_width, 3, spec.norm, stride=2, padding=spec.padding, act=spec.act
        )
        for layer, blocks in spec.layers().items():
            setattr(self, layer, nn.Sequential(*[MBConv(block, spec) for block in blocks]))
        if spec.last:
            self.last = ConvNormAct(spec.channels("layer4"), spec.channels("last"), 1, spec.norm, act=spec.act)

    def half(self, x: Tensor) -> Tensor:
        """The map at half the picture's sides, which layer1 takes."""
        return self.layer0(self.stem(x))

    def advance(self, stage: str, x: Tensor) -> Tensor:
        """The map of `stage` from that of the one before."""
        return getattr(self, stage)(x)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.half(x)
        features = {}
        for stage in self.stages:
            x = features[stage] = self.advance(stage, x)
        return features
