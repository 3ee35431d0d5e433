"""DenseNet (Huang et al., arXiv:1608.06993), whole or dilated as DenseASPP has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory, numbered

BLOCKS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


@dataclass(frozen=True)
class DenseStageSpec:
    """A transition to half the channels and, where it `pools`, half the sides (none before the first stage); blocks.

    `before`: channels that come in; `channels`: those that the first block sees; `out`: those after the last.
    """

    before: int
    channels: int
    out: int
    transition: bool
    pools: bool
    dilation: int


@dataclass(frozen=True)
class DenseNetSpec(BackboneSpec):
    """Stages `layer1` … `layer4`: the raw maps of the dense blocks, the last one behind batch norm and ReLU.

    Every block adds `growth` channels, by BN - ReLU - 1x1 (bottleneck * growth) - BN - ReLU - 3x3. Transitions are
    BN - ReLU - 1x1 - 2x2 average pooling, which drops an odd last row; beyond output_stride they do not pool, and the
    3x3 are dilated instead.
    """

    family: ClassVar[str] = "densenet"

    blocks: tuple[int, int, int, int] = BLOCKS[121]
    stem_width: int = 64
    growth: int = 32
    bottleneck: int = 4
    output_stride: Literal[8, 16, 32] = 32

    def stages(self) -> tuple[str, ...]:
        return ("layer1", "layer2", "layer3", "layer4")

    def channels(self, stage: str) -> int:
        return self.dense_stages()[self.stages().index(self._require(stage))].out

    def stride(self, stage: str) -> int:
        return min(4 << self.stages().index(self._require(stage)), self.output_stride)

    def dense_stages(self) -> list[DenseStageSpec]:
        """layer1 … layer4."""
        stages, channels, stride, dilation = [], self.stem_width, 4, 1
        for i, count in enumerate(self.blocks):
            before, pools = channels, False
            if i > 0:
                channels //= 2
                pools = stride < self.output_stride
                stride, dilation = (2 * stride, dilation) if pools else (stride, 2 * dilation)
            out = channels + count * self.growth
            stages.append(DenseStageSpec(before, channels, out, i > 0, pools, dilation))
            channels = out
        return stages

    def map_size(self, side: int, stage: str) -> int:
        side = -(-side // 4)  # stem and its pooling round up
        for dense in self.dense_stages()[: self.stages().index(stage) + 1]:
            side = side // 2 if dense.pools else side
        return side

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        inner = self.bottleneck * self.growth
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.stem_width, 7)
            for stage, count, dense in zip(self.stages(), self.blocks, self.dense_stages()):
                if dense.transition:
                    out.norm_act(f"{stage}.transition.norm", dense.before)
                    out.conv(f"{stage}.transition.conv", dense.before, dense.channels, 1)
                for i in range(count):
                    channels = dense.channels + i * self.growth
                    with out.scope(f"{stage}.blocks.{i}"):
                        out.norm_act("norm1", channels)
                        out.conv("conv1", channels, inner, 1)
                        out.norm_act("norm2", inner, after="conv1")
                        out.conv("conv2", inner, self.growth, 3)
            out.norm_act("norm", self.channels(self.deepest))

    def narrow(self) -> DenseNetSpec:
        return dataclasses.replace(self, blocks=(1, 2, 1, 1), stem_width=8, growth=4)

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """How many blocks there are, and their widths."""
        blocks = tuple(numbered(shapes, rf"{name}\.{stage}\.blocks\.(\d+)\.") for stage in self.stages())
        if not all(blocks):
            return {}
        found: dict[str, Any] = {"blocks": list(blocks)} if blocks != self.blocks else {}
        for field, tensor in (("stem_width", "stem.conv.weight"), ("growth", "layer1.blocks.0.conv2.weight")):
            shape = shapes.get(f"{name}.{tensor}")
            if shape and shape[0] != getattr(self, field):
                found[field] = shape[0]
        return found


def densenet(depth: int, **options: object) -> DenseNetSpec:
    """DenseNet-121, -161, -169 or -201."""
    stem_width, growth = (96, 48) if depth == 161 else (64, 32)
    return DenseNetSpec(blocks=BLOCKS[depth], stem_width=stem_width, growth=growth, **options)  # type: ignore[arg-type]


def densenet_tiny(**options: object) -> DenseNetSpec:
    """A narrow DenseNet for tests."""
    return DenseNetSpec(blocks=(1, 2, 2, 1), stem_width=8, growth=4, **options)  # type: ignore[arg-type]
