"""XceptionA (Li et al., arXiv:1904.02216); numbers in core/arch/backbones/xception_a.py."""

from __future__ import annotations

from collections.abc import Sequence

import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, ConvNormAct, global_pool
from core.arch.backbones.xception_a import XceptionASpec
from core.arch.parts import NormSpec


class SeparableConv(nn.Layer):
    """Depthwise 3x3 and 1x1 convolution, each with batch norm and nothing else."""

    def __init__(self, channels: int, width: int, stride: int, norm: NormSpec) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(channels, channels, 3, norm, stride=stride, groups=channels, act="none")
        self.pointwise = ConvNormAct(channels, width, 1, norm, act="none")

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Block(nn.Layer):
    """Three times ReLU and a separable convolution, plus the input as it came."""

    def __init__(self, channels: int, width: int, spec: XceptionASpec, *, first: bool) -> None:
        super().__init__()
        inner, stride, norm = width // spec.reduction, 2 if first else 1, spec.norm
        self.convs = nn.Sequential(
            SeparableConv(channels, inner, 1, norm),
            SeparableConv(inner, inner, 1, norm),
            SeparableConv(inner, width, stride, norm),
        )
        self.skip = ConvNormAct(channels, width, 1, norm, stride=stride, act="none") if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(F.relu(y))
        return y + self.skip(x)


class Attention(nn.Layer):
    """Channel weights from the global mean, by a fully connected layer and a 1x1 convolution."""

    def __init__(self, spec: XceptionASpec) -> None:
        super().__init__()
        channels, width = spec.widths[-1], spec.attention_width
        self.fc = nn.Linear(channels, width)
        self.project = ConvNormAct(width, channels, 1, spec.norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(global_pool(x).flatten(1))
        return x * self.project(y.unsqueeze([2, 3]))


def encoders(spec: XceptionASpec, inputs: Sequence[int]) -> dict[str, nn.Layer]:
    """{name: encoder} for maps of `inputs` channels, and the attention on the last."""
    modules: dict[str, nn.Layer] = {}
    for name, channels, width, count in zip(spec.encoders, inputs, spec.widths, spec.blocks):
        blocks = [Block(width if i else channels, width, spec, first=i == 0) for i in range(count)]
        modules[name] = nn.Sequential(*blocks)
    return modules | {"attention": Attention(spec)}


class XceptionA(Backbone):
    """The maps of enc2, enc3, enc4 and the attention."""

    def __init__(self, spec: XceptionASpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2)
        for name, module in encoders(spec, (spec.stem_width, *spec.widths[:-1])).items():
            self.add_sublayer(name, module)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        features = {}
        for stage in self.stages:
            x = features[stage] = getattr(self, stage)(x)
        return features
