"""ResNeSt: a ResNet whose 3x3 convolutions come in several splits, weighed against each other (arXiv:2004.08955).

As GluonCV, and so MXNetSeg, builds it: the weighing after the convolution's batch norm and ReLU, strides taken by an
average pooling behind it, which is also where a stage begins to dilate instead of striding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from core.arch.backbones.resnet import BlockSpec, ResNetSpec
from core.arch.inventory import Inventory


@dataclass(frozen=True)
class ResNeStSpec(ResNetSpec):
    """A ResNet with split attention.

    radix: splits; each has the channels of the 3x3 convolution. reduction: by how much the weighing narrows the
    channels of all splits, to no fewer than `least_squeezed`.
    """

    family: ClassVar[str] = "resnest"
    BLOCKS: ClassVar[Mapping[int, tuple[int, int, int, int]]] = {
        50: (3, 4, 6, 3),
        101: (3, 4, 23, 3),
        200: (3, 24, 36, 3),
        269: (3, 30, 48, 8),
    }

    depth: Literal[50, 101, 200, 269] = 50  # type: ignore[assignment]
    stem_widths: tuple[int, ...] = (32, 32, 64)
    average_downsample: bool = True
    radix: int = 2
    reduction: int = 4
    least_squeezed: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride_in != "conv2":
            raise ValueError("stride_in of resnest is conv2: an average pooling behind it strides")
        for width in map(self.inner_width, self.stage_widths):
            if self.radix < 2 or width % (self.groups * self.radix) or self.squeezed(width) % self.groups:
                raise ValueError(
                    f"radix {self.radix} must be at least 2 and, times groups {self.groups}, divide the {width} inner "
                    f"channels that stage_widths {self.stage_widths} make"
                )

    def squeezed(self, width: int) -> int:
        """Channels between the two layers of the weighing."""
        return max(width * self.radix // self.reduction, self.least_squeezed)

    def blocks(self) -> list[list[BlockSpec]]:
        first, *later = super().blocks()
        return [first, *([dataclasses.replace(blocks[0], smooths=True), *blocks[1:]] for blocks in later)]

    def block_inventory(self, out: Inventory, block: BlockSpec) -> None:
        width, splits, squeezed = block.width, block.width * self.radix, self.squeezed(block.width)
        out.conv("conv1", block.channels, width, 1)
        out.batch_norm("bn1", width, after="conv1")
        with out.scope("conv2"):
            out.conv_norm_act("splits", width, splits, 3, groups=block.groups * self.radix)
            out.conv_norm_act("squeeze", width, squeezed, 1, groups=block.groups, bias=True)
            out.conv("weigh", squeezed, splits, 1, groups=block.groups, bias=True)
        out.conv("conv3", width, block.out, 1)
        out.batch_norm("bn3", block.out, after="conv3")
        if block.projects:
            out.conv("downsample.conv", block.channels, block.out, 1)
            out.batch_norm("downsample.bn", block.out, after="downsample.conv")

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int]:
        return 1, 1  # the weighing pools to one place

    def narrow(self) -> ResNeStSpec:
        small = super().narrow()
        assert isinstance(small, ResNeStSpec)
        return dataclasses.replace(small, least_squeezed=8)
