"""DenseNet (Huang et al., arXiv:1608.06993); numbers in core/arch/backbones/densenet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, NormAct, Tensor, concat
from core.arch.backbones.densenet import DenseNetSpec, DenseStageSpec


class DenseBlock(HybridBlock):
    """[N, C, h, w] -> the same and `growth` channels more, behind it."""

    def __init__(self, channels: int, dilation: int, spec: DenseNetSpec) -> None:
        super().__init__()
        inner = spec.bottleneck * spec.growth
        self.norm1 = NormAct(channels, spec.norm)
        self.conv1 = nn.Conv2D(inner, 1, use_bias=False, in_channels=channels)
        self.norm2 = NormAct(inner, spec.norm)
        self.conv2 = nn.Conv2D(spec.growth, 3, padding=dilation, dilation=dilation, use_bias=False, in_channels=inner)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x))
        return concat(F, x, self.conv2(self.norm2(y)))


class Transition(HybridBlock):
    """Batch norm - ReLU - 1x1 convolution - 2x2 average pooling."""

    def __init__(self, stage: DenseStageSpec, spec: DenseNetSpec) -> None:
        super().__init__()
        self.pools = stage.pools
        self.norm = NormAct(stage.before, spec.norm)
        self.conv = nn.Conv2D(stage.channels, 1, use_bias=False, in_channels=stage.before)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = self.conv(self.norm(x))
        if self.pools:
            x = F.Pooling(x, pool_type="avg", kernel=(2, 2), stride=(2, 2), pooling_convention="valid")
        return x


class Stage(HybridBlock):
    """A transition, but before the first stage, and dense blocks."""

    def __init__(self, stage: DenseStageSpec, count: int, spec: DenseNetSpec) -> None:
        super().__init__()
        self.transition = Transition(stage, spec) if stage.transition else Identity()
        self.blocks = nn.HybridSequential()
        self.blocks.add(*[DenseBlock(stage.channels + i * spec.growth, stage.dilation, spec) for i in range(count)])

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.blocks(self.transition(x))


class DenseNet(Backbone):
    """The maps of layer1 … layer4, the last one behind batch norm and ReLU."""

    def __init__(self, spec: DenseNetSpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 7, spec.norm, stride=2)
        for name, stage, count in zip(self.stages, spec.dense_stages(), spec.blocks):
            setattr(self, name, Stage(stage, count, spec))
        self.norm = NormAct(spec.channels(spec.deepest), spec.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = F.Pooling(
            self.stem(x), pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pooling_convention="valid"
        )  # 1/4
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            features.append(x)
        return *features[:-1], self.norm(x)
