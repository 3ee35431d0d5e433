"""ResNet (He et al., arXiv:1512.03385); numbers and variants in core/arch/backbones/resnet.py."""

from __future__ import annotations

from itertools import pairwise

import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, BatchNorm, ConvNormAct
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import BlockSpec, ResNetSpec
from core.arch.parts import NormSpec


class Downsample(nn.Layer):
    """The projecting shortcut: (2x2 average pooling) - 1x1 convolution - batch norm."""

    def __init__(self, block: BlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.pools = block.pools
        self.conv = nn.Conv2D(block.channels, block.out, 1, stride=1 if self.pools else block.stride, bias_attr=False)
        self.bn = BatchNorm(block.out, norm)

    def forward(self, x: Tensor) -> Tensor:
        if self.pools:
            x = F.avg_pool2d(x, 2, stride=2, ceil_mode=True, exclusive=True)
        return self.bn(self.conv(x))


def _conv3x3(channels: int, width: int, stride: int, dilation: int, groups: int = 1) -> nn.Conv2D:
    return nn.Conv2D(channels, width, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias_attr=False)


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions (ResNet-18, -34; DF networks)."""

    def __init__(self, block: BlockSpec, spec: BackboneSpec) -> None:
        super().__init__()
        self.conv1 = _conv3x3(block.channels, block.width, block.stride, block.dilation)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = _conv3x3(block.width, block.out, 1, block.dilation2)
        self.bn2 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Layer):
    """1x1, 3x3, 1x1 convolutions (ResNet-50 and deeper; ResNeXt with groups)."""

    def __init__(self, block: BlockSpec, spec: ResNetSpec) -> None:
        super().__init__()
        stride1, stride2 = (block.stride, 1) if spec.stride_in == "conv1" else (1, block.stride)
        self.conv1 = nn.Conv2D(block.channels, block.width, 1, stride1, bias_attr=False)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = _conv3x3(block.width, block.width, stride2, block.dilation, block.groups)
        self.bn2 = BatchNorm(block.width, spec.norm)
        self.conv3 = nn.Conv2D(block.width, block.out, 1, bias_attr=False)
        self.bn3 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(Backbone):
    """The maps of layer1 … layer4."""

    bottleneck: type[nn.Layer] = Bottleneck

    def __init__(self, spec: ResNetSpec) -> None:
        super().__init__(spec)
        self.ceil_mode = spec.stem_pool_ceil
        self.stem = _stem(spec)
        block_type = self.bottleneck if spec.bottleneck else BasicBlock
        for stage, blocks in zip(self.stages, spec.blocks()):
            setattr(self, stage, nn.Sequential(*[block_type(block, spec) for block in blocks]))

    def half(self, x: Tensor) -> Tensor:
        """The map at half the picture's sides, before the pooling."""
        return self.stem(x)

    def pool(self, x: Tensor) -> Tensor:
        """What layer1 takes, at 1/4, from `half`'s map."""
        return F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=self.ceil_mode)

    def start(self, x: Tensor) -> Tensor:
        """Stem and pooling: what layer1 takes, at 1/4."""
        return self.pool(self.half(x))

    def advance(self, stage: str, x: Tensor) -> Tensor:
        """The map of `stage` from that of the one before; layer1 takes `half`'s and pools it."""
        return getattr(self, stage)(self.pool(x) if stage == self.stages[0] else x)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.half(x)
        features = {}
        for stage in self.stages:
            x = features[stage] = self.advance(stage, x)
        return features


def _stem(spec: ResNetSpec) -> nn.Sequential:
    kernel = 7 if spec.stem == "7x7" else 3
    widths: list[int] = [spec.in_channels, *spec.stem_widths]
    norm: NormSpec = spec.norm
    return nn.Sequential(
        *[
            ConvNormAct(channels, width, kernel, norm, stride=2 if i == 0 else 1)
            for i, (channels, width) in enumerate(pairwise(widths))
        ]
    )
