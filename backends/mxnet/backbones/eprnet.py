"""EPRNet's encoder; numbers in core/arch/backbones/eprnet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, Tensor, activation, concat
from core.arch.backbones.eprnet import EPREncoderSpec, EPRModuleSpec


class Pyramid(HybridBlock):
    """Grouped 3x3 convolutions of several dilations, concatenated with a 1x1 and fused; light: summed."""

    def __init__(self, module: EPRModuleSpec, spec: EPREncoderSpec) -> None:
        super().__init__()
        channels, width, norm, act = module.channels, module.width, spec.norm, spec.act
        self.light = spec.light
        self.branches = nn.HybridSequential()
        self.branches.add(
            *[ConvNormAct(channels, width, 3, norm, dilation=rate, groups=channels, act=act) for rate in module.rates]
        )
        if not spec.light:
            self.point = ConvNormAct(channels, width, 1, norm, act=act)
            self.fuse = ConvNormAct(width * (len(module.rates) + 1), width, 1, norm, act=act)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        if self.light:
            return F.add_n(*maps)
        return self.fuse(concat(F, *maps, self.point(x)))


class EPRModule(HybridBlock):
    """Pyramid and 3x3, plus the input or its projection, activated."""

    def __init__(self, module: EPRModuleSpec, spec: EPREncoderSpec) -> None:
        super().__init__()
        width, stride, norm = module.width, module.stride, spec.norm
        self.pyramid = Pyramid(module, spec)
        self.compact = ConvNormAct(width, width, 3, norm, stride=stride, act="none")
        if module.projects:
            self.skip = ConvNormAct(module.channels, width, 1, norm, stride=stride, act="none")
        else:
            self.skip = Identity()
        self.act = activation(spec.act, width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.compact(self.pyramid(x)) + self.skip(x))


class EPREncoder(Backbone):
    """The maps of layer1 … layer3."""

    def __init__(self, spec: EPREncoderSpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2, act=spec.act)
        for name, modules in zip(self.stages, spec.modules()):
            stage = nn.HybridSequential()
            stage.add(*[EPRModule(module, spec) for module in modules])
            setattr(self, name, stage)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)  # 1/2
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            features.append(x)
        return tuple(features)
