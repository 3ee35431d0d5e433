"""AlignSeg (Huang et al., arXiv:2003.00872); see core/arch/families/alignseg.py. Original: MXNetSeg."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import BatchNorm, ConvNormAct, Tensor, adaptive_pool, concat, resize, warp
from core.arch.families.alignseg import AlignSegSpec


class ResidualBlock(HybridBlock):
    """1x1 - ReLU(batch norm(it and two 3x3 of it, summed))."""

    def __init__(self, channels: int, spec: AlignSegSpec) -> None:
        super().__init__()
        width, inner = spec.width, spec.width // spec.reduction
        self.reduce = nn.Conv2D(width, 1, use_bias=False, in_channels=channels)
        self.conv1 = ConvNormAct(width, inner, 3, spec.backbone.norm)
        self.conv2 = nn.Conv2D(width, 3, padding=1, use_bias=False, in_channels=inner)
        self.bn = BatchNorm(width, spec.backbone.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = self.reduce(x)
        return F.relu(self.bn(x + self.conv2(self.conv1(x))))


class Flow(HybridBlock):
    """Two maps -> `flows` flows [N, 2 * flows, H, W], in places, each to the right and downwards."""

    def __init__(self, flows: int, spec: AlignSegSpec) -> None:
        super().__init__()
        self.reduce = ConvNormAct(2 * spec.width, spec.width, 1, spec.backbone.norm)
        self.out = nn.Conv2D(2 * flows, 3, padding=1, use_bias=False, in_channels=spec.width)

    def hybrid_forward(self, F: ModuleType, one: Tensor, other: Tensor) -> Tensor:
        return self.out(self.reduce(concat(F, one, other)))


class AlignedContext(HybridBlock):
    """A coarse copy of the map, moved to fit it, beside a convolution of it."""

    def __init__(self, spec: AlignSegSpec) -> None:
        super().__init__()
        self.bins, self.align_corners = spec.bins, spec.align_corners
        channels, norm = spec.backbone.channels(spec.backbone.deepest), spec.backbone.norm
        self.pooled = ConvNormAct(channels, spec.width, 1, norm)
        self.local = ConvNormAct(channels, spec.width, 3, norm)
        self.flow = Flow(1, spec)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        coarse = resize(F, self.pooled(adaptive_pool(F, x, self.bins)), x, self.align_corners)
        local = self.local(x)
        return concat(F, warp(F, coarse, self.flow(coarse, local)), local)


class Align(HybridBlock):
    """A deeper map and the running one, each moved by a flow of its own, summed at the running one's size."""

    def __init__(self, coarse: int, fine: int, spec: AlignSegSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.coarse = ResidualBlock(coarse, spec)
        self.fine = ResidualBlock(fine, spec)
        self.flow = Flow(2, spec)

    def hybrid_forward(self, F: ModuleType, coarse: Tensor, fine: Tensor) -> Tensor:
        fine = self.fine(fine)
        coarse = resize(F, self.coarse(coarse), fine, self.align_corners)
        flow = self.flow(coarse, fine)
        return warp(F, fine, F.slice_axis(flow, axis=1, begin=0, end=2)) + warp(
            F, coarse, F.slice_axis(flow, axis=1, begin=2, end=4)
        )


class AlignSeg(EncoderDecoder):
    """[N, 3, H, W] -> logits at the shallowest stage's size, main head first."""

    def __init__(self, spec: AlignSegSpec) -> None:
        super().__init__(spec)
        self.stages, width = spec.backbone.stages(), spec.width
        first, *deeper = (spec.backbone.channels(stage) for stage in self.stages)
        self.context = AlignedContext(spec)
        self.aligns = nn.HybridSequential()
        for i, coarse in enumerate([*deeper, 2 * width]):
            self.aligns.add(Align(coarse, width if i else first, spec))
        self.refine = ResidualBlock(width, spec)
        self.head = FCNHead(width, spec.num_classes, spec.head, spec.head_norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x, *deeper = [features[stage] for stage in self.stages]
        for align, coarse in zip(self.aligns, [*deeper, self.context(deeper[-1])]):
            x = align(coarse, x)
        return self.head(self.refine(x))
