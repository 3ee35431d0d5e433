"""MobileNetV2 (Sandler et al., arXiv:1801.04381); numbers and variants in core/arch/backbones/mobilenet_v2.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, Tensor
from core.arch.backbones.mobilenet_v2 import InvertedSpec, MobileNetV2Spec


class InvertedResidual(HybridBlock):
    """1x1 convolution to many channels, 3x3 depthwise, 1x1 back to few without activation; the input is added."""

    def __init__(self, block: InvertedSpec, spec: MobileNetV2Spec) -> None:
        super().__init__()
        self.residual = block.residual
        width, norm, act = block.width, spec.norm, spec.act
        self.expand = ConvNormAct(block.channels, width, 1, norm, act=act) if block.expands else Identity()
        self.depthwise = ConvNormAct(
            width,
            width,
            3,
            norm,
            stride=block.stride,
            padding=spec.padding,
            dilation=block.dilation,
            groups=width,
            act=act,
        )
        self.project = ConvNormAct(width, block.out, 1, norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileNetV2(Backbone):
    """The maps of layer1 … layer4, and the last convolution's."""

    def __init__(self, spec: MobileNetV2Spec) -> None:
        super().__init__(spec)
        blocks = spec.blocks()
        self.layers = [block.layer for block in blocks]
        self.stem = ConvNormAct(
            spec.in_channels, blocks[0].channels, 3, spec.norm, stride=2, padding=spec.padding, act=spec.act
        )
        self.blocks = nn.HybridSequential()
        self.blocks.add(*[InvertedResidual(block, spec) for block in blocks])
        if spec.last:
            self.last = ConvNormAct(blocks[-1].out, spec.channels("last"), 1, spec.norm, act=spec.act)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)  # 1/2
        features = {}
        for layer, block in zip(self.layers, self.blocks):
            x = features[layer] = block(x)
        if "last" in self.stages:
            features["last"] = self.last(x)
        return tuple(features[stage] for stage in self.stages)
