"""XceptionA (Li et al., arXiv:1904.02216); numbers in core/arch/backbones/xception_a.py."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, Tensor
from core.arch.backbones.xception_a import XceptionASpec
from core.arch.parts import NormSpec


class SeparableConv(HybridBlock):
    """Depthwise 3x3 and 1x1 convolution, each with batch norm and nothing else."""

    def __init__(self, channels: int, width: int, stride: int, norm: NormSpec) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(channels, channels, 3, norm, stride=stride, groups=channels, act="none")
        self.pointwise = ConvNormAct(channels, width, 1, norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Block(HybridBlock):
    """Three times ReLU and a separable convolution, plus the input as it came."""

    def __init__(self, channels: int, width: int, spec: XceptionASpec, *, first: bool) -> None:
        super().__init__()
        inner, stride, norm = width // spec.reduction, 2 if first else 1, spec.norm
        self.convs = nn.HybridSequential()
        self.convs.add(
            SeparableConv(channels, inner, 1, norm),
            SeparableConv(inner, inner, 1, norm),
            SeparableConv(inner, width, stride, norm),
        )
        self.skip = ConvNormAct(channels, width, 1, norm, stride=stride, act="none") if first else Identity()

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(F.relu(y))
        return y + self.skip(x)


class Attention(HybridBlock):
    """Channel weights from the global mean, by a fully connected layer and a 1x1 convolution."""

    def __init__(self, spec: XceptionASpec) -> None:
        super().__init__()
        channels, width = spec.widths[-1], spec.attention_width
        self.fc = nn.Dense(width, in_units=channels)
        self.project = ConvNormAct(width, channels, 1, spec.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.fc(F.mean(x, axis=(2, 3)))
        return F.broadcast_mul(x, self.project(F.reshape(y, (0, 0, 1, 1))))


def encoders(spec: XceptionASpec, inputs: Sequence[int]) -> dict[str, HybridBlock]:
    """{name: encoder} for maps of `inputs` channels, and the attention on the last."""
    modules: dict[str, HybridBlock] = {}
    for name, channels, width, count in zip(spec.encoders, inputs, spec.widths, spec.blocks):
        modules[name] = nn.HybridSequential()
        modules[name].add(*[Block(width if i else channels, width, spec, first=i == 0) for i in range(count)])
    return modules | {"attention": Attention(spec)}


class XceptionA(Backbone):
    """The maps of enc2, enc3, enc4 and the attention."""

    def __init__(self, spec: XceptionASpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2)
        for name, module in encoders(spec, (spec.stem_width, *spec.widths[:-1])).items():
            setattr(self, name, module)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            features.append(x)
        return tuple(features)
