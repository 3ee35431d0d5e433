"""MSFNet after its paper's description (Si et al., arXiv:1911.07217); what was decided stands in the spec.

Numbers in core/arch/families/msfnet.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, resize
from core.arch.families.msfnet import MSFNetSpec


def _spatial_aware_pool(x: Tensor, factor: int) -> Tensor:
    """[N, C, ceil(h / factor), ceil(w / factor)]: means over 2 * factor + 1 places around every factor-th."""
    if factor == 1:
        return x
    return F.avg_pool2d(x, 2 * factor + 1, stride=factor, padding=factor, exclusive=True)


class Branch(nn.Layer):
    """From the coarsest fused map up to the finest: resized, added and convolved, then the head."""

    def __init__(self, logits: int, spec: MSFNetSpec) -> None:
        super().__init__()
        norm, width, self.align_corners = spec.backbone.norm, spec.width, spec.align_corners
        self.steps = nn.LayerList([ConvNormAct(width, width, 3, norm) for _ in spec.levels[1:]])
        self.head = FCNHead(width, logits, spec.head, norm, align_corners=spec.align_corners)

    def forward(self, x: Tensor, finer: Sequence[Tensor]) -> Tensor:
        """The coarsest map and the others, each finer than the one before."""
        for step, fused in zip(self.steps, finer):
            x = step(resize(x, fused.shape[2:], self.align_corners) + fused)
        return self.head(x)


class MSFNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/8: the classes', and the boundary's."""

    def __init__(self, spec: MSFNetSpec) -> None:
        super().__init__(spec)
        self.sources = [spec.sources(level) for level in spec.levels]
        self.fusions = nn.LayerList(
            [ConvNormAct(spec.fused_channels(level), spec.width, 1, spec.backbone.norm) for level in spec.levels]
        )
        self.classes = Branch(spec.num_classes, spec)
        self.has_boundary = spec.boundary
        if spec.boundary:
            self.boundary = Branch(1, spec)

    def decode(self, features: dict[str, Tensor]) -> tuple[Tensor, ...]:
        maps = [self._fuse(i, features, sources) for i, sources in enumerate(self.sources)][::-1]
        classes = self.classes(maps[0], maps[1:])
        return (classes, self.boundary(maps[0], maps[1:])) if self.has_boundary else (classes,)

    def _fuse(self, i: int, features: dict[str, Tensor], sources: Sequence[tuple[str, int]]) -> Tensor:
        """The stages' maps at one resolution as one map."""
        pooled = [_spatial_aware_pool(features[stage], factor) for stage, factor in sources]
        return self.fusions[i](paddle.concat(pooled, axis=1))
