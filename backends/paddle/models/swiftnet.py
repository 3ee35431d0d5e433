"""SwiftNet (Orsic et al., arXiv:1903.08469), as Fast_Seg has it; numbers in core/arch/families/swiftnet.py."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.layers import NormActConv, grid_pool, resize
from core.arch.families.swiftnet import SwiftNetSpec


class GridPyramid(nn.Layer):
    """1x1, grids of pooled means of it, 1x1 each, concatenated after it, 1x1."""

    def __init__(self, spec: SwiftNetSpec) -> None:
        super().__init__()
        width, norm = spec.num_classes, spec.pyramid_norm
        self.grids, self.align_corners = spec.grids, spec.align_corners
        self.reduce = NormActConv(spec.backbone.channels(spec.backbone.deepest), width, 1, norm)
        self.branches = nn.LayerList([NormActConv(width, spec.grid_width, 1, norm) for _ in spec.grids])
        self.fuse = NormActConv(width + len(spec.grids) * spec.grid_width, width, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        pooled = [
            resize(branch(grid_pool(x, rows)), x.shape[2:], self.align_corners)
            for branch, rows in zip(self.branches, self.grids)
        ]
        return self.fuse(paddle.concat([x, *pooled], axis=1))


class Step(nn.Layer):
    """One step of the ladder: the map enlarged plus 1x1 of the lateral one, 3x3."""

    def __init__(self, channels: int, spec: SwiftNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.lateral = NormActConv(channels, spec.num_classes, 1, spec.backbone.norm)
        self.blend = NormActConv(spec.num_classes, spec.num_classes, 3, spec.backbone.norm)

    def forward(self, x: Tensor, lateral: Tensor) -> Tensor:
        return self.blend(resize(x, lateral.shape[2:], self.align_corners) + self.lateral(lateral))


class SwiftNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/4, main head first."""

    def __init__(self, spec: SwiftNetSpec) -> None:
        super().__init__(spec)
        self.deepest, self.laterals = spec.backbone.deepest, spec.laterals
        self.pyramid = GridPyramid(spec)
        self.ladder = nn.LayerList([Step(spec.backbone.channels(stage), spec) for stage in self.laterals])

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = self.pyramid(features[self.deepest])
        for step, stage in zip(self.ladder, self.laterals):
            x = step(x, features[stage])
        return x
