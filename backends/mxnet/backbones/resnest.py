"""ResNeSt (Zhang et al., arXiv:2004.08955); numbers and variants in core/arch/backbones/resnest.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.backbones.resnet import Downsample, ResNet
from backends.mxnet.layers import BatchNorm, ConvNormAct, Tensor, global_pool
from core.arch.backbones.resnest import ResNeStSpec
from core.arch.backbones.resnet import BlockSpec


class SplitAttention(HybridBlock):
    """A 3x3 convolution of several splits, and their sum, weighed for each channel by what all hold on average."""

    def __init__(self, block: BlockSpec, spec: ResNeStSpec) -> None:
        super().__init__()
        width, groups, norm = block.width, block.groups, spec.norm
        self.radix, self.groups, squeezed = spec.radix, groups, spec.squeezed(width)
        stride = 1 if block.smooths else block.stride
        self.splits = ConvNormAct(
            width, width * spec.radix, 3, norm, stride=stride, dilation=block.dilation, groups=groups * spec.radix
        )
        self.squeeze = ConvNormAct(width, squeezed, 1, norm, groups=groups, bias=True)
        self.weigh = nn.Conv2D(width * spec.radix, 1, groups=groups, use_bias=True, in_channels=squeezed)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        splits = F.reshape(self.splits(x), (0, -4, self.radix, -1, -2))  # [N, R, C, h, w]
        weights = self.weigh(self.squeeze(global_pool(F, F.sum(splits, axis=1))))  # [N, G * R * C / G, 1, 1]
        weights = F.transpose(F.reshape(weights, (0, self.groups, self.radix, -1)), (0, 2, 1, 3))  # [N, R, G, C / G]
        weights = F.reshape(F.softmax(weights, axis=1), (0, 0, -1, 1, 1))  # [N, R, C, 1, 1]
        return F.sum(F.broadcast_mul(splits, weights), axis=1)


class Bottleneck(HybridBlock):
    """1x1, split attention, (average pooling), 1x1."""

    def __init__(self, block: BlockSpec, spec: ResNeStSpec) -> None:
        super().__init__()
        self.smooths, self.stride = block.smooths, (block.stride, block.stride)
        self.conv1 = nn.Conv2D(block.width, 1, use_bias=False, in_channels=block.channels)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = SplitAttention(block, spec)
        self.conv3 = nn.Conv2D(block.out, 1, use_bias=False, in_channels=block.width)
        self.bn3 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else Identity()

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.bn1(self.conv1(x))))
        if self.smooths:
            y = F.Pooling(y, pool_type="avg", kernel=(3, 3), stride=self.stride, pad=(1, 1), count_include_pad=True)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNeSt(ResNet):
    """The maps of layer1 … layer4."""

    bottleneck = Bottleneck
