"""ResNet and ResNeXt backbones (He et al., arXiv:1512.03385; Xie et al., arXiv:1611.05431) with the stems and dilations
segmentation networks use.

Four originals differ in the stem, the ceil mode of its pooling, where a dilated stage starts to dilate and what
multi-grid multiplies: GALD-Net / Fast_Seg, SemSegPaddle, MXNetSeg (GluonCV `v1s` and `v1b`), and mmseg's `v1c`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory, numbered

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@dataclass(frozen=True)
class BlockSpec:
    """One residual block: `width` inside, `out` after it; `dilation` of its first 3x3, `dilation2` of a second one.

    pools: a strided shortcut average-pools 2x2 before its (then unstrided) convolution. projects_always: the shortcut
    has its convolution even where the block changes nothing of its input's shape. groups: of a bottleneck's 3x3.
    smooths: a 3x3 average pooling after the 3x3 has its stride (ResNeSt).
    """

    channels: int
    width: int
    out: int
    stride: int
    dilation: int = 1
    dilation2: int = 1
    pools: bool = False
    projects_always: bool = False
    groups: int = 1
    smooths: bool = False

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a 1x1 convolution."""
        return self.projects_always or self.stride != 1 or self.channels != self.out

    def inventory(self, out: Inventory, *, bottleneck: bool) -> None:
        """Adds the block's parameters, in the scope that `out` stands in."""
        if bottleneck:
            shapes = [(self.channels, self.width, 1), (self.width, self.width, 3), (self.width, self.out, 1)]
        else:
            shapes = [(self.channels, self.width, 3), (self.width, self.out, 3)]
        for i, (channels, width, kernel) in enumerate(shapes, start=1):
            out.conv(f"conv{i}", channels, width, kernel, groups=self.groups if bottleneck and i == 2 else 1)
            out.batch_norm(f"bn{i}", width, after=f"conv{i}")
        if self.projects:
            out.conv("downsample.conv", self.channels, self.out, 1)
            out.batch_norm("downsample.bn", self.out, after="downsample.conv")


@dataclass(frozen=True)
class ResNetSpec(BackboneSpec):
    """A dilated ResNet; its stages are `layer1` … `layer4`.

    stem `7x7`: one strided convolution; `deep`: three 3x3 ones, the first strided. `stem_widths` accordingly.
    stage_widths: inner channels of layer1 … layer4; bottlenecks give four times as many.
    groups, width_per_group: ResNeXt's; the 3x3 of a bottleneck has `groups` groups, and the inner channels grow by
    groups * width_per_group / 64, with which layer1 has `width_per_group` channels in each (`32x4d`: 32 and 4).
    first_block: dilation of a dilated stage's first block: the `stage`'s own, or that of the `previous` stage.
    multi_grid multiplies, in the last stage, the dilation its first block would have without it.
    stride_in: which convolution of a bottleneck strides, its 1x1 `conv1` or its 3x3 `conv2`.
    length: how many of the four stages there are.
    average_downsample: a strided shortcut average-pools 2x2 before its (then unstrided) 1x1 convolution.
    project_first: the shortcut of every stage's first block is a convolution, layer1's of a shallow net too.
    """

    family: ClassVar[str] = "resnet"
    BLOCKS: ClassVar[Mapping[int, tuple[int, int, int, int]]] = BLOCKS

    depth: Literal[18, 34, 50, 101, 152] = 50
    stem: Literal["7x7", "deep"] = "deep"
    stem_widths: tuple[int, ...] = (64, 64, 128)
    stem_pool_ceil: bool = False
    stage_widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    output_stride: Literal[8, 16, 32] = 8
    first_block: Literal["stage", "previous"] = "previous"
    multi_grid: tuple[int, ...] | None = None
    stride_in: Literal["conv1", "conv2"] = "conv2"
    length: Literal[1, 2, 3, 4] = 4
    average_downsample: bool = False
    project_first: bool = False
    groups: int = 1
    width_per_group: int = 64

    def __post_init__(self) -> None:
        expected = 1 if self.stem == "7x7" else 3
        if len(self.stem_widths) != expected:
            raise ValueError(
                f"a {self.stem} stem has {expected} convolution(s), stem_widths has {len(self.stem_widths)}"
            )
        if self.multi_grid is not None and (self.output_stride == 32 or not self.bottleneck):
            raise ValueError(
                "multi_grid needs a dilated last stage (output_stride 8 or 16) of bottlenecks (depth >= 50)"
            )
        if (self.groups, self.width_per_group) != (1, 64) and not self.bottleneck:
            raise ValueError("groups and width_per_group are for bottlenecks (depth >= 50)")
        if self.groups < 1 or self.width_per_group < 1:
            raise ValueError(f"groups {self.groups} and width_per_group {self.width_per_group} must be at least 1")
        for width in map(self.inner_width, self.stage_widths):
            if width < 1 or width % self.groups:
                raise ValueError(
                    f"groups {self.groups} do not divide the {width} inner channels that stage_widths "
                    f"{self.stage_widths} and width_per_group {self.width_per_group} make"
                )

    def inner_width(self, stage_width: int) -> int:
        """Channels inside the blocks of a stage of that width."""
        return stage_width * self.groups * self.width_per_group // 64

    @property
    def bottleneck(self) -> bool:
        return self.depth >= 50

    @property
    def expansion(self) -> int:
        return 4 if self.bottleneck else 1

    def stages(self) -> tuple[str, ...]:
        return ("layer1", "layer2", "layer3", "layer4")[: self.length]

    def channels(self, stage: str) -> int:
        return self.stage_widths[self.stages().index(self._require(stage))] * self.expansion

    def stride(self, stage: str) -> int:
        return min(4 << self.stages().index(self._require(stage)), self.output_stride)

    @property
    def half_channels(self) -> int:
        return self.stem_widths[-1]

    def blocks(self) -> list[list[BlockSpec]]:
        """The blocks of layer1 … layer4."""
        dilations = {8: (1, 1, 2, 4), 16: (1, 1, 1, 2), 32: (1, 1, 1, 1)}[self.output_stride]
        strides = {8: (1, 2, 1, 1), 16: (1, 2, 2, 1), 32: (1, 2, 2, 2)}[self.output_stride]
        stages, channels = [], self.stem_widths[-1]
        for stage, count in enumerate(self.BLOCKS[self.depth]):
            width, dilation = self.stage_widths[stage], dilations[stage]
            first = dilation if self.first_block == "stage" else dilations[max(stage - 1, 0)]
            blocks = []
            for i in range(count):
                own = first if i == 0 else dilation
                if self.multi_grid is not None and stage == 3:
                    own = first * self.multi_grid[i % len(self.multi_grid)]
                stride = strides[stage] if i == 0 else 1
                pools, always = self.average_downsample and stride > 1, self.project_first and i == 0
                inner, out = self.inner_width(width), width * self.expansion
                blocks.append(BlockSpec(channels, inner, out, stride, own, dilation, pools, always, self.groups))
                channels = out
            stages.append(blocks)
        return stages[: self.length]

    def map_size(self, side: int, stage: str = "layer4") -> int:
        side = -(-side // 2)  # stem
        side = -(-(side - 1) // 2) + 1 if self.stem_pool_ceil else -(-side // 2)  # 3x3 stride 2 pooling with padding 1
        for blocks in self.blocks()[: int(stage[-1])]:
            side = -(-side // blocks[0].stride)
        return side

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            channels = self.in_channels
            for i, width in enumerate(self.stem_widths):
                out.conv_norm_act(f"stem.{i}", channels, width, 7 if self.stem == "7x7" else 3)
                channels = width
            for stage, blocks in enumerate(self.blocks(), start=1):
                for i, block in enumerate(blocks):
                    with out.scope(f"layer{stage}.{i}"):
                        self.block_inventory(out, block)

    def block_inventory(self, out: Inventory, block: BlockSpec) -> None:
        """Adds the parameters of one block."""
        block.inventory(out, bottleneck=self.bottleneck)

    def narrow(self) -> ResNetSpec:
        groups = min(self.groups, 4)  # wide enough to be divided, with the same factor to the inner channels
        return dataclasses.replace(
            self,
            depth=50 if self.bottleneck else 18,
            stem_widths=(8,) * len(self.stem_widths),
            stage_widths=(8, 8, 16, 16),
            groups=groups,
            width_per_group=self.groups * self.width_per_group // groups,
        )

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """The depth, from the number of blocks; only within the deep ones, since the shallow have other heads too."""
        counts = tuple(numbered(shapes, rf"{name}\.{stage}\.(\d+)\.conv3\.") for stage in self.stages())
        fitting = [d for d, blocks in self.BLOCKS.items() if blocks[: self.length] == counts and d >= 50]
        return {"depth": fitting[0]} if self.bottleneck and fitting and self.depth not in fitting else {}


def resnet_deep(depth: int, **options: object) -> ResNetSpec:
    """The ResNet of GALD-Net and Fast_Seg: deep stem, ceil-mode pooling, whole stages dilated."""
    return ResNetSpec(depth=depth, stem_pool_ceil=True, first_block="stage", **options)  # type: ignore[arg-type]


def resnet_7x7(depth: int, **options: object) -> ResNetSpec:
    """The plain ResNet: 7x7 stem of 64 (SemSegPaddle; GluonCV's `v1b`)."""
    options = {"stem_widths": (64,), **options}
    return ResNetSpec(depth=depth, stem="7x7", **options)  # type: ignore[arg-type]


def resnext_7x7(depth: int, groups: int, width_per_group: int, **options: object) -> ResNetSpec:
    """ResNeXt with a 7x7 stem of 64: `32x4d` has 32 groups of 4 channels in layer1."""
    return resnet_7x7(depth, groups=groups, width_per_group=width_per_group, **options)


def resnet_tiny(depth: int = 18, **options: object) -> ResNetSpec:
    """A narrow ResNet for tests."""
    return resnet_7x7(depth, stem_widths=(8,), stage_widths=(8, 12, 16, 24), **options)
