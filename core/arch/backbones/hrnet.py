"""HRNet V2 (Wang et al., arXiv:1908.07919): branches of strides 4 to 32 side by side, exchanging again and again.

mmseg pads strided convolutions on both sides, PaddleSeg only where needed (`same`); both join the branches at stride 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import BlockSpec, ResNetSpec
from core.arch.inventory import Inventory
from core.arch.parts import Padding

BRANCHES = 4


@dataclass(frozen=True)
class HRNetSpec(BackboneSpec):
    """Stages `branch1` … `branch4` (strides 4, 8, 16, 32), and `joined`: all of them at stride 4, concatenated.

    width: channels of branch1; each further branch has twice as many. modules: of the stages with 2, 3 and 4 branches;
    after each module every branch gets the sum of all. blocks: basic blocks of a branch in a module. bottlenecks: of
    the first stage, `bottleneck_width` inside and four times that after it. padding: of the strided convolutions.
    align_corners: of all resizes within.
    """

    family: ClassVar[str] = "hrnet"

    width: int = 18
    modules: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4
    stem_width: int = 64
    bottlenecks: int = 4
    bottleneck_width: int = 64
    padding: Padding = "symmetric"
    align_corners: bool = False

    def stages(self) -> tuple[str, ...]:
        return (*(f"branch{i}" for i in range(1, BRANCHES + 1)), "joined")

    def widths(self) -> tuple[int, ...]:
        """Channels of the branches."""
        return tuple(self.width << i for i in range(BRANCHES))

    def channels(self, stage: str) -> int:
        return sum(self.widths()) if self._require(stage) == "joined" else self.widths()[int(stage[-1]) - 1]

    def stride(self, stage: str) -> int:
        return 4 if self._require(stage) == "joined" else 2 << int(stage[-1])

    @property
    def residual(self) -> ResNetSpec:
        """What its residual blocks, which are ResNet's, take their batch norms and defaults from."""
        return ResNetSpec(norm=self.norm)

    def first_blocks(self) -> list[BlockSpec]:
        """The bottlenecks of the first stage."""
        width, out = self.bottleneck_width, 4 * self.bottleneck_width
        return [BlockSpec(out if i else self.stem_width, width, out, 1, 1, 1) for i in range(self.bottlenecks)]

    def branch_block(self, branch: int) -> BlockSpec:
        """A basic block of a branch, counted from 0."""
        width = self.widths()[branch]
        return BlockSpec(width, width, width, 1, 1, 1)

    def transition(self, stage: int) -> list[tuple[int, int, int] | None]:
        """(channels, width, stride) of the convolution in front of each branch of `stage` (2, 3, 4); None: none."""
        if stage == 2:
            wide = 4 * self.bottleneck_width
            return [(wide, self.widths()[0], 1), (wide, self.widths()[1], 2)]
        new = stage - 1
        return [*[None] * new, (self.widths()[new - 1], self.widths()[new], 2)]

    def chain(self, target: int, source: int) -> list[tuple[int, str]]:
        """(width, activation) of the strided convolutions from branch `source` down to the deeper `target`."""
        widths = self.widths()
        return [*[(widths[source], "relu")] * (target - source - 1), (widths[target], "none")]

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem.0", self.in_channels, self.stem_width, 3)
            out.conv_norm_act("stem.1", self.stem_width, self.stem_width, 3)
            for i, block in enumerate(self.first_blocks()):
                with out.scope(f"layer1.{i}"):
                    block.inventory(out, bottleneck=True)
            for stage, modules in zip((2, 3, 4), self.modules):
                for branch, conv in enumerate(self.transition(stage)):
                    if conv is not None:
                        out.conv_norm_act(f"transition{stage - 1}.{branch}", conv[0], conv[1], 3)
                for module in range(modules):
                    with out.scope(f"stage{stage}.{module}"):
                        self._module(out, stage)

    def _module(self, out: Inventory, count: int) -> None:
        """A module of `count` branches."""
        widths = self.widths()
        for branch in range(count):
            for i in range(self.blocks):
                with out.scope(f"branches.{branch}.{i}"):
                    self.branch_block(branch).inventory(out, bottleneck=False)
        for target in range(count):
            for source in range(count):
                name = f"fuse.{target}.{source}"
                if source > target:
                    out.conv_norm_act(name, widths[source], widths[target], 1, act="none")
                elif source < target:
                    for i, (width, act) in enumerate(self.chain(target, source)):
                        out.conv_norm_act(f"{name}.{i}", widths[source], width, 3, act=act)

    def narrow(self) -> HRNetSpec:
        return dataclasses.replace(
            self, width=4, modules=(1, 2, 1), blocks=1, stem_width=8, bottlenecks=2, bottleneck_width=4
        )

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """The width, from the first branch's."""
        found = shapes.get(f"{name}.transition1.0.conv.weight")
        return {} if found is None or found[0] == self.width else {"width": found[0]}
