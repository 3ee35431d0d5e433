"""ResNeSt (Zhang et al., arXiv:2004.08955); numbers and variants in core/arch/backbones/resnest.py."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.backbones.resnet import Downsample, ResNet
from backends.paddle.layers import BatchNorm, ConvNormAct, global_pool
from core.arch.backbones.resnest import ResNeStSpec
from core.arch.backbones.resnet import BlockSpec


class SplitAttention(nn.Layer):
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
        self.weigh = nn.Conv2D(squeezed, width * spec.radix, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.splits(x).split(self.radix, axis=1)  # of [N, C, h, w] each
        weights = self.weigh(self.squeeze(global_pool(paddle.add_n(splits))))  # [N, G * R * C / G, 1, 1]
        weights = weights.reshape([0, self.groups, self.radix, -1]).transpose([0, 2, 1, 3])  # [N, R, G, C / G]
        weights = F.softmax(weights, axis=1).reshape([0, self.radix, -1, 1, 1])  # [N, R, C, 1, 1]
        weighed = []
        for split, weight in zip(splits, weights.unbind(axis=1)):
            weighed.append(split * weight)
        return paddle.add_n(weighed)


class Bottleneck(nn.Layer):
    """1x1, split attention, (average pooling), 1x1."""

    def __init__(self, block: BlockSpec, spec: ResNeStSpec) -> None:
        super().__init__()
        self.smooths, self.stride = block.smooths, block.stride
        self.conv1 = nn.Conv2D(block.channels, block.width, 1, bias_attr=False)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = SplitAttention(block, spec)
        self.conv3 = nn.Conv2D(block.width, block.out, 1, bias_attr=False)
        self.bn3 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.bn1(self.conv1(x))))
        if self.smooths:
            y = F.avg_pool2d(y, 3, stride=self.stride, padding=1, exclusive=False)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNeSt(ResNet):
    """The maps of layer1 … layer4."""

    bottleneck = Bottleneck
