"""EPRNet's encoder: efficient pyramid representation modules (Tang et al., MXNetSeg's own network)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from core.arch.activations import Activation
from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory


@dataclass(frozen=True)
class EPRModuleSpec:
    """One module: `rates` of its pyramid's dilated convolutions."""

    channels: int
    width: int
    rates: tuple[int, ...]
    stride: int

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a 1x1 convolution."""
        return self.stride != 1 or self.channels != self.width


@dataclass(frozen=True)
class EPREncoderSpec(BackboneSpec):
    """A strided 3x3 of `stem_width` and three stages of modules, `layer1` … `layer3`, at 1/4, 1/8 and 1/8.

    `rates`: of each module of each stage; the last module of layer1 and of layer2 strides. A module's pyramid has a
    depthwise-grouped 3x3 for each rate; they are concatenated, with a 1x1 of the input behind them, and fused by 1x1.
    light: they are summed, and there is no 1x1 in the pyramid.
    """

    family: ClassVar[str] = "eprnet"

    stem_width: int = 16
    stage_widths: tuple[int, int, int] = (32, 64, 128)
    rates: tuple[tuple[tuple[int, ...], ...], ...] = (
        ((1, 2, 4),) * 2,
        ((3, 6, 9),) * 4,
        ((7, 13, 19), (13, 25, 37)),
    )
    light: bool = False
    act: Activation = "prelu_shared"

    def stages(self) -> tuple[str, ...]:
        return ("layer1", "layer2", "layer3")

    def channels(self, stage: str) -> int:
        return self.stage_widths[self.stages().index(self._require(stage))]

    def stride(self, stage: str) -> int:
        return (4, 8, 8)[self.stages().index(self._require(stage))]

    def modules(self) -> list[list[EPRModuleSpec]]:
        """The modules of layer1 … layer3."""
        stages, channels = [], self.stem_width
        for stage, (width, rates) in enumerate(zip(self.stage_widths, self.rates)):
            modules = []
            for i, own in enumerate(rates):
                last = stage < len(self.rates) - 1 and i == len(rates) - 1
                modules.append(EPRModuleSpec(channels, width, own, stride=2 if last else 1))
                channels = width
            stages.append(modules)
        return stages

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.stem_width, 3, act=self.act)
            for stage, modules in zip(self.stages(), self.modules()):
                for i, module in enumerate(modules):
                    with out.scope(f"{stage}.{i}"):
                        self._module(out, module)

    def _module(self, out: Inventory, module: EPRModuleSpec) -> None:
        channels, width = module.channels, module.width
        with out.scope("pyramid"):
            for i in range(len(module.rates)):
                out.conv_norm_act(f"branches.{i}", channels, width, 3, groups=channels, act=self.act)
            if not self.light:
                out.conv_norm_act("point", channels, width, 1, act=self.act)
                out.conv_norm_act("fuse", width * (len(module.rates) + 1), width, 1, act=self.act)
        out.conv_norm_act("compact", width, width, 3, act="none")
        if module.projects:
            out.conv_norm_act("skip", channels, width, 1, act="none")
        out.activation("act", self.act, width)

    def narrow(self) -> EPREncoderSpec:
        return dataclasses.replace(
            self,
            stem_width=4,
            stage_widths=(8, 8, 16),
            rates=tuple(rates[-2:] for rates in self.rates),
        )
