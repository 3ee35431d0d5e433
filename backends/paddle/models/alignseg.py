"""AlignSeg (Huang et al., arXiv:2003.00872); see core/arch/families/alignseg.py. Original: MXNetSeg."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import BatchNorm, ConvNormAct, adaptive_pool, resize, warp
from core.arch.families.alignseg import AlignSegSpec


class ResidualBlock(nn.Layer):
    """1x1 - ReLU(batch norm(it and two 3x3 of it, summed))."""

    def __init__(self, channels: int, spec: AlignSegSpec) -> None:
        super().__init__()
        width, inner = spec.width, spec.width // spec.reduction
        self.reduce = nn.Conv2D(channels, width, 1, bias_attr=False)
        self.conv1 = ConvNormAct(width, inner, 3, spec.backbone.norm)
        self.conv2 = nn.Conv2D(inner, width, 3, padding=1, bias_attr=False)
        self.bn = BatchNorm(width, spec.backbone.norm)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        return F.relu(self.bn(x + self.conv2(self.conv1(x))))


class Flow(nn.Layer):
    """Two maps -> `flows` flows [N, 2 * flows, H, W], in places, each to the right and downwards."""

    def __init__(self, flows: int, spec: AlignSegSpec) -> None:
        super().__init__()
        self.reduce = ConvNormAct(2 * spec.width, spec.width, 1, spec.backbone.norm)
        self.out = nn.Conv2D(spec.width, 2 * flows, 3, padding=1, bias_attr=False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.out(self.reduce(paddle.concat([one, other], axis=1)))


class AlignedContext(nn.Layer):
    """A coarse copy of the map, moved to fit it, beside a convolution of it."""

    def __init__(self, spec: AlignSegSpec) -> None:
        super().__init__()
        self.bins, self.align_corners = spec.bins, spec.align_corners
        channels, norm = spec.backbone.channels(spec.backbone.deepest), spec.backbone.norm
        self.pooled = ConvNormAct(channels, spec.width, 1, norm)
        self.local = ConvNormAct(channels, spec.width, 3, norm)
        self.flow = Flow(1, spec)

    def forward(self, x: Tensor) -> Tensor:
        coarse = resize(self.pooled(adaptive_pool(x, self.bins)), x.shape[2:], self.align_corners)
        local = self.local(x)
        return paddle.concat([warp(coarse, self.flow(coarse, local)), local], axis=1)


class Align(nn.Layer):
    """A deeper map and the running one, each moved by a flow of its own, summed at the running one's size."""

    def __init__(self, coarse: int, fine: int, spec: AlignSegSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.coarse = ResidualBlock(coarse, spec)
        self.fine = ResidualBlock(fine, spec)
        self.flow = Flow(2, spec)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        fine = self.fine(fine)
        coarse = resize(self.coarse(coarse), fine.shape[2:], self.align_corners)
        flow = self.flow(coarse, fine)
        return warp(fine, flow[:, :2]) + warp(coarse, flow[:, 2:])


class AlignSeg(EncoderDecoder):
    """[N, 3, H, W] -> logits at the shallowest stage's size, main head first."""

    def __init__(self, spec: AlignSegSpec) -> None:
        super().__init__(spec)
        self.stages, width = spec.backbone.stages(), spec.width
        first, *deeper = (spec.backbone.channels(stage) for stage in self.stages)
        self.context = AlignedContext(spec)
        self.aligns = nn.LayerList(
            Align(coarse, width if i else first, spec) for i, coarse in enumerate([*deeper, 2 * width])
        )
        self.refine = ResidualBlock(width, spec)
        self.head = FCNHead(width, spec.num_classes, spec.head, spec.head_norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x, *deeper = [features[stage] for stage in self.stages]
        for align, coarse in zip(self.aligns, [*deeper, self.context(deeper[-1])]):
            x = align(coarse, x)
        return self.head(self.refine(x))
