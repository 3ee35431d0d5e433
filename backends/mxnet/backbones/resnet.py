"""ResNet (He et al., arXiv:1512.03385); numbers and variants in core/arch/backbones/resnet.py."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, BatchNorm, ConvNormAct, Tensor
from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import BlockSpec, ResNetSpec
from core.arch.parts import NormSpec


class Downsample(HybridBlock):
    """The projecting shortcut: (2x2 average pooling) - 1x1 convolution - batch norm."""

    def __init__(self, block: BlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.pools = block.pools
        self.conv = _conv1x1(block.channels, block.out, 1 if self.pools else block.stride)
        self.bn = BatchNorm(block.out, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        if self.pools:
            x = F.Pooling(
                x,
                pool_type="avg",
                kernel=(2, 2),
                stride=(2, 2),
                pooling_convention="full",  # ceil mode
                count_include_pad=False,
            )
        return self.bn(self.conv(x))


def _conv1x1(channels: int, width: int, stride: int) -> nn.Conv2D:
    return nn.Conv2D(width, 1, stride, use_bias=False, in_channels=channels)


def _conv3x3(channels: int, width: int, stride: int, dilation: int, groups: int = 1) -> nn.Conv2D:
    return nn.Conv2D(width, 3, stride, dilation, dilation, groups, use_bias=False, in_channels=channels)


class BasicBlock(HybridBlock):
    """Two 3x3 convolutions (ResNet-18, -34; DF networks)."""

    def __init__(self, block: BlockSpec, spec: BackboneSpec) -> None:
        super().__init__()
        self.conv1 = _conv3x3(block.channels, block.width, block.stride, block.dilation)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = _conv3x3(block.width, block.out, 1, block.dilation2)
        self.bn2 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else Identity()

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(HybridBlock):
    """1x1, 3x3, 1x1 convolutions (ResNet-50 and deeper; ResNeXt with groups)."""

    def __init__(self, block: BlockSpec, spec: ResNetSpec) -> None:
        super().__init__()
        stride1, stride2 = (block.stride, 1) if spec.stride_in == "conv1" else (1, block.stride)
        self.conv1 = _conv1x1(block.channels, block.width, stride1)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = _conv3x3(block.width, block.width, stride2, block.dilation, block.groups)
        self.bn2 = BatchNorm(block.width, spec.norm)
        self.conv3 = _conv1x1(block.width, block.out, 1)
        self.bn3 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else Identity()

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(Backbone):
    """The maps of layer1 … layer4."""

    bottleneck: type[HybridBlock] = Bottleneck

    def __init__(self, spec: ResNetSpec) -> None:
        super().__init__(spec)
        self.convention = "full" if spec.stem_pool_ceil else "valid"  # ceil mode or floor
        self.stem = _stem(spec)
        block_type = self.bottleneck if spec.bottleneck else BasicBlock
        for name, blocks in zip(self.stages, spec.blocks()):
            stage = nn.HybridSequential()
            stage.add(*[block_type(block, spec) for block in blocks])
            setattr(self, name, stage)

    def half(self, F: ModuleType, x: Tensor) -> Tensor:
        """The map at half the picture's sides, before the pooling."""
        return self.stem(x)

    def pool(self, F: ModuleType, x: Tensor) -> Tensor:
        """What layer1 takes, at 1/4, from `half`'s map."""
        return F.Pooling(
            x, pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention=self.convention
        )

    def start(self, F: ModuleType, x: Tensor) -> Tensor:
        """Stem and pooling: what layer1 takes, at 1/4."""
        return self.pool(F, self.half(F, x))

    def advance(self, F: ModuleType, stage: str, x: Tensor) -> Tensor:
        """The map of `stage` from that of the one before; layer1 takes `half`'s and pools it."""
        return getattr(self, stage)(self.pool(F, x) if stage == self.stages[0] else x)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.half(F, x)
        features = []
        for stage in self.stages:
            x = self.advance(F, stage, x)
            features.append(x)
        return tuple(features)


def _stem(spec: ResNetSpec) -> nn.HybridSequential:
    kernel = 7 if spec.stem == "7x7" else 3
    widths: list[int] = [spec.in_channels, *spec.stem_widths]
    stem = nn.HybridSequential()
    stem.add(
        *[
            ConvNormAct(channels, width, kernel, spec.norm, stride=2 if i == 0 else 1)
            for i, (channels, width) in enumerate(pairwise(widths))
        ]
    )
    return stem
