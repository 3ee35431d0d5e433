"""EPRNet's encoder; numbers in core/arch/backbones/eprnet.py."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, ConvNormAct, activation
from core.arch.backbones.eprnet import EPREncoderSpec, EPRModuleSpec


class Pyramid(nn.Layer):
    """Grouped 3x3 convolutions of several dilations, concatenated with a 1x1 and fused; light: summed."""

    def __init__(self, module: EPRModuleSpec, spec: EPREncoderSpec) -> None:
        super().__init__()
        channels, width, norm, act = module.channels, module.width, spec.norm, spec.act
        self.light = spec.light
        self.branches = nn.LayerList(
            [ConvNormAct(channels, width, 3, norm, dilation=rate, groups=channels, act=act) for rate in module.rates]
        )
        if not spec.light:
            self.point = ConvNormAct(channels, width, 1, norm, act=act)
            self.fuse = ConvNormAct(width * (len(module.rates) + 1), width, 1, norm, act=act)

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        if self.light:
            return sum(maps[1:], maps[0])
        return self.fuse(paddle.concat([*maps, self.point(x)], axis=1))


class EPRModule(nn.Layer):
    """Pyramid and 3x3, plus the input or its projection, activated."""

    def __init__(self, module: EPRModuleSpec, spec: EPREncoderSpec) -> None:
        super().__init__()
        width, stride, norm = module.width, module.stride, spec.norm
        self.pyramid = Pyramid(module, spec)
        self.compact = ConvNormAct(width, width, 3, norm, stride=stride, act="none")
        self.skip: nn.Layer = nn.Identity()
        if module.projects:
            self.skip = ConvNormAct(module.channels, width, 1, norm, stride=stride, act="none")
        self.act = activation(spec.act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.compact(self.pyramid(x)) + self.skip(x))


class EPREncoder(Backbone):
    """The maps of layer1 … layer3."""

    def __init__(self, spec: EPREncoderSpec) -> None:
        super().__init__(spec)
        self.stem = ConvNormAct(spec.in_channels, spec.stem_width, 3, spec.norm, stride=2, act=spec.act)
        for stage, modules in zip(self.stages, spec.modules()):
            setattr(self, stage, nn.Sequential(*[EPRModule(module, spec) for module in modules]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)  # 1/2
        features = {}
        for stage in self.stages:
            x = features[stage] = getattr(self, stage)(x)
        return features
