"""Fast-SCNN (Poudel et al., arXiv:1902.04502).

Original: Fast_Seg, whose first convolution is unpadded. The 1/32 map is resized to the 1/8 map's size, which is the
original's factor of 4 where that fits, and works for every other size too.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.heads import AuxiliaryHeads
from backends.mxnet.layers import ConvNormAct, Network, PyramidPooling, Tensor, dropout, resize
from core.arch.families.fast_scnn import FastSCNNSpec
from core.arch.parts import NormSpec


class SeparableConv(HybridBlock):
    """Depthwise 3x3 and pointwise convolution, each with batch norm."""

    def __init__(self, channels: int, width: int, spec: FastSCNNSpec, *, stride: int = 1) -> None:
        super().__init__()
        bias, norm = spec.separable_bias, spec.norm
        self.depthwise = ConvNormAct(
            channels, channels, 3, norm, stride=stride, groups=channels, bias=bias, act=spec.separable_act
        )
        self.pointwise = ConvNormAct(channels, width, 1, norm, bias=bias)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class InvertedResidual(HybridBlock):
    """MobileNetV2's block with ReLU; a shortcut where stride and width allow it."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int, norm: NormSpec) -> None:
        super().__init__()
        inner = channels * expansion
        self.shortcut = stride == 1 and channels == width
        self.expand = ConvNormAct(channels, inner, 1, norm)
        self.depthwise = ConvNormAct(inner, inner, 3, norm, stride=stride, groups=inner)
        self.project = ConvNormAct(inner, width, 1, norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Context(HybridBlock):
    """Inverted residuals to 1/32 and pyramid pooling."""

    def __init__(self, spec: FastSCNNSpec) -> None:
        super().__init__()
        channels = spec.down_widths[-1]
        self.groups = nn.HybridSequential()
        for width, stride, count in zip(spec.group_widths, spec.group_strides, spec.group_blocks):
            group = nn.HybridSequential()
            for i in range(count):
                group.add(InvertedResidual(channels, width, stride if i == 0 else 1, spec.expansion, spec.norm))
                channels = width
            self.groups.add(group)
        self.pyramid = PyramidPooling(channels, spec.pyramid, spec.norm)
        pooled = spec.pyramid.out_channels(channels)
        self.out = ConvNormAct(pooled, spec.context_width, spec.context_kernel, spec.norm, bias=spec.context_bias)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.out(self.pyramid(self.groups(x)))


class Fusion(HybridBlock):
    """Sum of the detail map and the enlarged context map."""

    def __init__(self, spec: FastSCNNSpec) -> None:
        super().__init__()
        context, width, bias, norm = spec.context_width, spec.fusion_width, spec.fusion_bias, spec.norm
        self.align_corners = spec.fusion_align_corners
        self.depthwise = ConvNormAct(context, context, 3, norm, groups=context)
        self.context = ConvNormAct(context, width, 1, norm, bias=bias, act="none")
        self.detail = ConvNormAct(spec.down_widths[-1], width, 1, norm, bias=bias, act="none")

    def hybrid_forward(self, F: ModuleType, detail: Tensor, context: Tensor) -> Tensor:
        context = resize(F, context, detail, self.align_corners)
        return F.relu(self.context(self.depthwise(context)) + self.detail(detail))


class Head(HybridBlock):
    """Two separable convolutions and the classifier."""

    def __init__(self, spec: FastSCNNSpec) -> None:
        super().__init__()
        width = spec.fusion_width
        self.convs = nn.HybridSequential()
        self.convs.add(SeparableConv(width, width, spec), SeparableConv(width, width, spec))
        self.dropout = dropout(spec.dropout)
        self.classifier = nn.Conv2D(spec.num_classes, 1, use_bias=True, in_channels=width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.convs(x)))


def _detail(spec: FastSCNNSpec) -> nn.HybridSequential:
    """Learning to down-sample: three strided convolutions to 1/8."""
    first, second, third = spec.down_widths
    padding = 0 if spec.stem_padding == "none" else spec.stem_padding
    detail = nn.HybridSequential()
    detail.add(
        ConvNormAct(spec.in_channels, first, 3, spec.norm, stride=2, padding=padding, bias=spec.stem_bias),
        SeparableConv(first, second, spec, stride=2),
        SeparableConv(second, third, spec, stride=2),
    )
    return detail


class FastSCNN(Network):
    """[N, 3, H, W] -> logits at 1/8, main head first."""

    spec: FastSCNNSpec

    def __init__(self, spec: FastSCNNSpec) -> None:
        super().__init__(spec)
        self.detail = _detail(spec)
        self.context = Context(spec)
        self.fusion = Fusion(spec)
        self.head = Head(spec)
        self.auxiliary = AuxiliaryHeads(spec)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        features = {"detail": self.detail(x)}  # 1/8
        features["context"] = self.context(features["detail"])  # 1/32
        logits = self.head(self.fusion(features["detail"], features["context"]))
        return (logits, *self.auxiliary(features))
