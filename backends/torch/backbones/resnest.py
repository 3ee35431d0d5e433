"""ResNeSt (Zhang et al., arXiv:2004.08955); numbers and variants in core/arch/backbones/resnest.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.backbones.resnet import Downsample, ResNet
from backends.torch.layers import BatchNorm, ConvNormAct, global_pool
from core.arch.backbones.resnest import ResNeStSpec
from core.arch.backbones.resnet import BlockSpec


class SplitAttention(nn.Module):
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
        self.weigh = nn.Conv2d(squeezed, width * spec.radix, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.splits(x).unflatten(1, (self.radix, -1))  # [N, R, C, h, w]
        weights = self.weigh(self.squeeze(global_pool(splits.sum(dim=1))))  # [N, G * R * C / G, 1, 1]
        weights = weights.flatten(1).unflatten(1, (self.groups, self.radix, -1)).transpose(1, 2)  # [N, R, G, C / G]
        weights = torch.softmax(weights, dim=1).flatten(2)[..., None, None]  # [N, R, C, 1, 1]
        return (splits * weights).sum(dim=1)


class Bottleneck(nn.Module):
    """1x1, split attention, (average pooling), 1x1."""

    def __init__(self, block: BlockSpec, spec: ResNeStSpec) -> None:
        super().__init__()
        self.smooths, self.stride = block.smooths, block.stride
        self.conv1 = nn.Conv2d(block.channels, block.width, 1, bias=False)
        self.bn1 = BatchNorm(block.width, spec.norm)
        self.conv2 = SplitAttention(block, spec)
        self.conv3 = nn.Conv2d(block.width, block.out, 1, bias=False)
        self.bn3 = BatchNorm(block.out, spec.norm)
        self.downsample = Downsample(block, spec.norm) if block.projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True))
        if self.smooths:
            y = F.avg_pool2d(y, 3, stride=self.stride, padding=1, count_include_pad=True)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNeSt(ResNet):
    """The maps of layer1 … layer4."""

    bottleneck = Bottleneck
