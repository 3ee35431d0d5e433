"""EfficientNet B0 to B7 and Lite (Tan and Le, arXiv:1905.11946) with the switches of its published weights.

timm's plain networks pad symmetrically and have epsilon 1e-5; TensorFlow's, and all that was converted from them, pad
by `same` and have 1e-3. The Lite ones have no squeeze-and-excitation, ReLU6, and an unscaled stem and last convolution.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.arch.activations import Activation
from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory, numbered
from core.arch.parts import DropoutSpec, NormSpec, Padding

# Of the seven groups of blocks, at width and depth 1.
WIDTHS = (16, 24, 40, 80, 112, 192, 320)
REPEATS = (1, 2, 2, 3, 3, 4, 1)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
LAYERS = ("layer0", "layer1", "layer2", "layer3", "layer3", "layer4", "layer4")
STEM, LAST = 32, 1280
# (width, depth) of B0 … B7.
SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1))


@dataclass(frozen=True)
class MBConvSpec:
    """One block: `channels` widened to `width`, filtered, squeezed to `squeezed` and weighed, brought to `out`.

    group, index: which of the seven groups it is in, and its number there.
    """

    group: int
    index: int
    channels: int
    width: int
    out: int
    kernel: int
    stride: int
    squeezed: int
    drop_path: DropoutSpec

    @property
    def layer(self) -> str:
        return LAYERS[self.group]

    @property
    def expands(self) -> bool:
        return self.width != self.channels

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.channels == self.out


@dataclass(frozen=True)
class EfficientNetSpec(BackboneSpec):
    """The stages `layer1` … `layer4` end with the last block at strides 4, 8, 16 and 32; `layer0` before them is at 2.

    width, depth: multiply channels (rounded to multiples of 8, by less than a tenth downwards) and repetitions (rounded
    up). scaled_ends: whether `width` holds for stem and last convolution too. squeeze: width of the
    squeeze-and-excitation over the block's input channels, 0 for none. last: the 1x1 convolution of 1280 before the
    classifier, as a stage `last`. drop_path: of the last block's branch; the blocks before it have less, in proportion.
    """

    family: ClassVar[str] = "efficientnet"

    width: float = 1.0
    depth: float = 1.0
    scaled_ends: bool = True
    repeats: tuple[int, int, int, int, int, int, int] = REPEATS
    expansion: int = 6
    squeeze: float = 0.25
    padding: Padding = "symmetric"
    act: Activation = "silu"
    drop_path: DropoutSpec = DropoutSpec(p=0.0, unit="sample")
    last: bool = False

    def __post_init__(self) -> None:
        if self.drop_path.unit != "sample":
            raise ValueError(f"drop_path has the unit {self.drop_path.unit!r}: it is `sample`, all of a picture's map")

    def scaled(self, channels: int) -> int:
        """`channels` at this width."""
        wanted = channels * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    @property
    def stem_width(self) -> int:
        return self.scaled(STEM) if self.scaled_ends else STEM

    @property
    def half_channels(self) -> int:
        return self.scaled(WIDTHS[0])

    def group_repeats(self) -> tuple[int, ...]:
        """Blocks of the seven groups at this depth."""
        return tuple(-int(-count * self.depth // 1) for count in self.repeats)

    def stages(self) -> tuple[str, ...]:
        return ("layer1", "layer2", "layer3", "layer4", *(("last",) if self.last else ()))

    def channels(self, stage: str) -> int:
        if self._require(stage) == "last":
            return self.scaled(LAST) if self.scaled_ends else LAST
        return next(block.out for block in reversed(self.blocks()) if block.layer == stage)

    def stride(self, stage: str) -> int:
        return 4 << min(self.stages().index(self._require(stage)), 3)

    def blocks(self) -> list[MBConvSpec]:
        """All blocks, in order."""
        blocks: list[MBConvSpec] = []
        channels, total = self.stem_width, sum(self.group_repeats())
        for group, count in enumerate(self.group_repeats()):
            out = self.scaled(WIDTHS[group])
            for i in range(count):
                blocks.append(
                    MBConvSpec(
                        group=group,
                        index=i,
                        channels=channels,
                        width=channels * (self.expansion if group else 1),
                        out=out,
                        kernel=KERNELS[group],
                        stride=STRIDES[group] if i == 0 else 1,
                        squeezed=round(channels * self.squeeze),
                        drop_path=dataclasses.replace(self.drop_path, p=self.drop_path.p * len(blocks) / total),
                    )
                )
                channels = out
        return blocks

    def layers(self) -> dict[str, list[MBConvSpec]]:
        """The blocks of `layer0` … `layer4`."""
        found: dict[str, list[MBConvSpec]] = {layer: [] for layer in LAYERS}
        for block in self.blocks():
            found[block.layer].append(block)
        return found

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.stem_width, 3, act=self.act)
            for layer, blocks in self.layers().items():
                for i, block in enumerate(blocks):
                    with out.scope(f"{layer}.{i}"):
                        self._block(out, block)
            if self.last:
                out.conv_norm_act("last", self.channels("layer4"), self.channels("last"), 1, act=self.act)

    def _block(self, out: Inventory, block: MBConvSpec) -> None:
        width = block.width
        if block.expands:
            out.conv_norm_act("expand", block.channels, width, 1, act=self.act)
        out.conv_norm_act("depthwise", width, width, block.kernel, groups=width, act=self.act)
        if block.squeezed:
            with out.scope("excite"):
                out.conv("reduce", width, block.squeezed, 1, bias=True)
                out.conv("expand", block.squeezed, width, 1, bias=True)
        out.conv_norm_act("project", width, block.out, 1, act="none")

    def narrow(self) -> EfficientNetSpec:
        return dataclasses.replace(self, width=0.25, depth=1.0, expansion=2, repeats=(1, 2, 1, 1, 1, 2, 1))

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """Whether the last convolution is there, and which of B0 … B7 it is, by blocks and widths, where it is one."""
        found: dict[str, Any] = {}
        last = any(key.startswith(f"{name}.last.") for key in shapes)
        if shapes and last != self.last:
            found["last"] = last
        if not self.scaled_ends or (self.width, self.depth) not in SCALES:
            return found
        # The blocks' output channels, layer by layer, of which no two of the eight have the same.
        found_outs = {layer: _outs(shapes, f"{name}.{layer}") for layer in self.layers()}
        for width, depth in SCALES:
            other = dataclasses.replace(self, width=width, depth=depth)
            outs = {layer: [block.out for block in blocks] for layer, blocks in other.layers().items()}
            if other != self and outs == found_outs:
                found |= {"width": width, "depth": depth}
        return found


def _outs(shapes: Mapping[str, tuple[int, ...]], layer: str) -> list[int]:
    """Output channels of a layer's blocks."""
    count = numbered(shapes, re.escape(layer) + r"\.(\d+)\.")
    return [shapes.get(f"{layer}.{i}.project.conv.weight", (0,))[0] for i in range(count)]


def efficientnet(number: Literal[0, 1, 2, 3, 4, 5, 6, 7], **options: Any) -> EfficientNetSpec:
    """B0 … B7, as timm's plain ones."""
    width, depth = SCALES[number]
    return EfficientNetSpec(width=width, depth=depth, **options)


def efficientnet_lite0(**options: Any) -> EfficientNetSpec:
    """Lite0, as converted from TensorFlow."""
    lite: dict[str, Any] = {"scaled_ends": False, "squeeze": 0.0, "act": "relu6", "padding": "same"}
    return EfficientNetSpec(norm=NormSpec(eps=1e-3, momentum=0.01), **(lite | options))


def efficientnet_tiny(**options: Any) -> EfficientNetSpec:
    """A narrow EfficientNet for tests."""
    return EfficientNetSpec(**options).narrow()
