"""XceptionA, the small Xception of DFANet (Li et al., arXiv:1904.02216), as Fast_Seg has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory


@dataclass(frozen=True)
class XceptionASpec(BackboneSpec):
    """A strided 3x3 of `stem_width`, encoders `enc2` … `enc4` at 1/4 … 1/16, and `attention` on the last.

    An encoder has so many blocks (`blocks`), the first of which strides; a block is three times ReLU - separable
    convolution (depthwise 3x3, norm, 1x1) - norm of width / `reduction`, the same, width, plus its input, which a 1x1
    with norm projects where shapes differ. The first ReLU leaves the shortcut alone; the third separable convolution
    strides. Attention: the global mean through a fully connected layer of `attention_width` and a 1x1 with norm and
    ReLU weights the channels.
    """

    family: ClassVar[str] = "xception_a"

    stem_width: int = 8
    widths: tuple[int, int, int] = (48, 96, 192)
    blocks: tuple[int, int, int] = (4, 6, 4)
    reduction: int = 4
    attention_width: int = 1000

    @property
    def encoders(self) -> tuple[str, ...]:
        return ("enc2", "enc3", "enc4")

    def stages(self) -> tuple[str, ...]:
        return (*self.encoders, "attention")

    def channels(self, stage: str) -> int:
        return (*self.widths, self.widths[-1])[self.stages().index(self._require(stage))]

    def stride(self, stage: str) -> int:
        return (4, 8, 16, 16)[self.stages().index(self._require(stage))]

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        with out.scope(name):
            out.conv_norm_act("stem", self.in_channels, self.stem_width, 3)
            self.encode(out, (self.stem_width, *self.widths[:-1]))

    def encode(self, out: Inventory, inputs: Iterable[int]) -> None:
        """Adds encoders that take maps of `inputs` channels, and the attention on the last."""
        for encoder, channels, width, blocks in zip(self.encoders, inputs, self.widths, self.blocks):
            for i in range(blocks):
                with out.scope(f"{encoder}.{i}"):
                    self._block(out, channels if i == 0 else width, width, projects=i == 0)
        out.linear("attention.fc", self.widths[-1], self.attention_width)
        out.conv_norm_act("attention.project", self.attention_width, self.widths[-1], 1)

    def _block(self, out: Inventory, channels: int, width: int, *, projects: bool) -> None:
        inner = width // self.reduction
        for i, (before, after) in enumerate([(channels, inner), (inner, inner), (inner, width)]):
            with out.scope(f"convs.{i}"):
                out.conv_norm_act("depthwise", before, before, 3, groups=before, act="none")
                out.conv_norm_act("pointwise", before, after, 1, act="none")
        if projects:
            out.conv_norm_act("skip", channels, width, 1, act="none")

    def narrow(self) -> XceptionASpec:
        return dataclasses.replace(self, widths=(8, 16, 16), blocks=(2, 1, 1), attention_width=16)
