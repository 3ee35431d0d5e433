"""DenseNet (Huang et al., arXiv:1608.06993); numbers in core/arch/backbones/densenet.py."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, ConvNormAct, NormAct
from core.arch.backbones.densenet import DenseNetSpec, DenseStageSpec


class DenseBlock(nn.Layer):
    """[N, C, h, w] -> the same and `growth` channels more, behind it."""

    def __init__(self, channels: int, dilation: int, spec: DenseNetSpec) -> None:
        super().__init__()
        inner = spec.bottleneck * spec.growth
        self.norm1 = NormAct(channels, spec.norm)
        self.conv1 = nn.Conv2D(channels, inner, 1, bias_attr=False)
        self.norm2 = NormAct(inner, spec.norm)
        self.conv2 = nn.Conv2D(inner, spec.growth, 3, padding=dilation, dilation=dilation, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x))
        return paddle.concat([x, self.conv2(self.norm2(y))], axis=1)


class Transition(nn.Layer):
    """Batch norm - ReLU - 1x1 convolution - 2x2 average pooling."""

    def __init__(self, stage: DenseStageSpec, spec: DenseNetSpec) -> None:
        super().__init__()
        self.pools = stage.pools
        self.norm = NormAct(stage.before, spec.norm)
        self.conv = nn.Conv2D(stage.before, stage.channels, 1, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.norm(x))
        return F.avg_pool2d(x, 2, stride=2) if self.pools else x


class Stage(nn.Layer):
    """A transition, but before the first stage, and dense blocks."""

    def __init__(self, stage: DenseStageSpec, count: int, spec: DenseNetSpec) -> None:
        super().__init__()
        self.transition = Transition(stage, spec) if stage.transition else nn.Identity()
        self.blocks = nn.Sequential(
            *[DenseBlock(stage.channels + i * spec.growth, stage.dilation, spec) for i in range(count)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.transition(x))


class DenseNet(Backbone):
    """The maps of layer1 … layer4, the last one behind batch norm and ReLU."""

    def __init__(self, spec: DenseNetSpec) -> None:
        super().__init__(spec)
        self.deepest = spec.deepest
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 7, spec.norm, stride=2)
        for name, stage, count in zip(self.stages, spec.dense_stages(), spec.blocks):
            setattr(self, name, Stage(stage, count, spec))
        self.norm = NormAct(spec.channels(spec.deepest), spec.norm)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)  # 1/4
        features = {}
        for stage in self.stages:
            x = features[stage] = getattr(self, stage)(x)
        features[self.deepest] = self.norm(x)
        return features
