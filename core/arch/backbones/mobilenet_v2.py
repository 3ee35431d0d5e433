"""MobileNetV2 (Sandler et al., arXiv:1801.04381) with the switches of its published weights.

torchvision and GluonCV pad symmetrically and go to stride 32. TensorFlow's DeepLab pads by `same`, stays at stride 16,
dilating the blocks after the one that would stride, and at half width rounds channels to multiples of 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.arch.activations import Activation
from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory
from core.arch.parts import Padding

WIDTHS = (16, 24, 32, 64, 96, 160, 320)  # of the seven groups of blocks, at width 1
STRIDES = (1, 2, 2, 2, 1, 2, 1)
STEM, LAST = 32, 1280
LAYERS = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}  # the stride that a group has at output stride 32


@dataclass(frozen=True)
class InvertedSpec:
    """One inverted residual: `channels` widened to `width`, filtered, brought to `out`; `layer`: the stage it is in."""

    channels: int
    width: int
    out: int
    stride: int
    dilation: int
    layer: str

    @property
    def expands(self) -> bool:
        return self.width != self.channels

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.channels == self.out


@dataclass(frozen=True)
class MobileNetV2Spec(BackboneSpec):
    """The stages `layer1` … `layer4` end with the last block at strides 4, 8, 16 and 32 (of the undilated network).

    width: multiplies all channels, which are then rounded to multiples of `divisor`, by less than a tenth downwards
    (1: cut to integers, as GluonCV does). repeats: blocks of each group. last: the 1x1 convolution of 1280 (never
    fewer) before the classifier, as a stage `last`. A group that would exceed output_stride strides by 1, and its
    blocks after the first are dilated.
    """

    family: ClassVar[str] = "mobilenet_v2"

    width: float = 1.0
    divisor: int = 8
    repeats: tuple[int, int, int, int, int, int, int] = (1, 2, 3, 4, 3, 3, 1)
    expansion: int = 6
    output_stride: Literal[8, 16, 32] = 32
    padding: Padding = "symmetric"
    act: Activation = "relu6"
    last: bool = False

    def scaled(self, channels: int) -> int:
        """`channels` at this width."""
        wanted = channels * self.width
        if self.divisor == 1:
            return int(wanted)
        rounded = max(self.divisor, int(wanted + self.divisor / 2) // self.divisor * self.divisor)
        return rounded + self.divisor if rounded < 0.9 * wanted else rounded

    def stages(self) -> tuple[str, ...]:
        return (*LAYERS.values(), *(("last",) if self.last else ()))

    def channels(self, stage: str) -> int:
        if self._require(stage) == "last":
            return max(LAST, self.scaled(LAST))
        return next(block.out for block in reversed(self.blocks()) if block.layer == stage)

    def stride(self, stage: str) -> int:
        depth = min(self.stages().index(self._require(stage)), 3)
        return min(4 << depth, self.output_stride)

    def blocks(self) -> list[InvertedSpec]:
        """All blocks, in order."""
        blocks, channels, stride, nominal, dilation = [], self.scaled(STEM), 2, 2, 1
        for group, (width, count) in enumerate(zip(WIDTHS, self.repeats)):
            nominal *= STRIDES[group]
            for i in range(count):
                own, first = 1, dilation
                if i == 0 and STRIDES[group] == 2:
                    if stride < self.output_stride:
                        own, stride = 2, stride * 2
                    else:
                        dilation *= 2
                hidden = channels * (self.expansion if group else 1)
                layer = LAYERS[max(nominal, 4)]
                blocks.append(InvertedSpec(channels, hidden, self.scaled(width), own, first, layer))
                channels = self.scaled(width)
        return blocks

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.scaled(STEM), 3, act=self.act)
            for i, block in enumerate(self.blocks()):
                with out.scope(f"blocks.{i}"):
                    if block.expands:
                        out.conv_norm_act("expand", block.channels, block.width, 1, act=self.act)
                    out.conv_norm_act("depthwise", block.width, block.width, 3, groups=block.width, act=self.act)
                    out.conv_norm_act("project", block.width, block.out, 1, act="none")
            if self.last:
                out.conv_norm_act("last", self.channels("layer4"), self.channels("last"), 1, act=self.act)

    def narrow(self) -> MobileNetV2Spec:
        return dataclasses.replace(self, width=0.25, expansion=2, repeats=(1, 2, 1, 1, 1, 2, 1))

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        last = any(key.startswith(f"{name}.last.") for key in shapes)
        return {"last": last} if shapes and last != self.last else {}
