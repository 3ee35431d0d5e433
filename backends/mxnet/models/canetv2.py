"""CANet v2 (Tang et al., IEEE T-ITS 2022).

Original: MXNetSeg's; the numbers stand in core/arch/families/canetv2.py.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, global_pool, resize
from core.arch.families.canetv2 import CANetV2Spec


class Bottleneck(HybridBlock):
    """Halves the map; no activation after the sum."""

    def __init__(self, spec: CANetV2Spec) -> None:
        super().__init__()
        width, inner, norm = spec.width, spec.inner, spec.backbone.norm
        self.reduce = ConvNormAct(width, inner, 1, norm)
        self.stride = ConvNormAct(inner, inner, 3, norm, stride=2)
        self.expand = ConvNormAct(inner, width, 1, norm)
        self.shortcut = ConvNormAct(width, width, 1, norm, stride=2, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.expand(self.stride(self.reduce(x))) + self.shortcut(x)


class EncoderDecoderBranch(HybridBlock):
    """Strided bottlenecks - 3x3 - resized to the input - 1x1."""

    def __init__(self, depth: int, spec: CANetV2Spec) -> None:
        super().__init__()
        width, norm, self.align_corners = spec.width, spec.backbone.norm, spec.align_corners
        self.encoder = nn.HybridSequential()
        self.encoder.add(*[Bottleneck(spec) for _ in range(depth)])
        self.refine = ConvNormAct(width, width, 3, norm)
        self.out = ConvNormAct(width, width, 1, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.out(resize(F, self.refine(self.encoder(x)), x, self.align_corners))


class CANetV2(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: CANetV2Spec) -> None:
        super().__init__(spec)
        norm, width, self.align_corners = spec.backbone.norm, spec.width, spec.align_corners
        self.taps = spec.backbone.stages()[-2:]
        shallow, deep = (spec.backbone.channels(stage) for stage in self.taps)
        self.deep = ConvNormAct(deep, width, 1, norm)
        self.shallow = ConvNormAct(shallow, width, 1, norm)
        self.pool = ConvNormAct(deep, spec.pooled, 1, norm)
        self.branches = nn.HybridSequential()
        self.branches.add(*[EncoderDecoderBranch(depth, spec) for depth in spec.depths])
        maps = len(spec.depths) + 1
        self.gate = nn.HybridSequential()
        self.gate.add(ConvNormAct(maps * width, width, 1, norm), ConvNormAct(width, maps, 1, norm, act="none"))
        self.head = FCNHead(width + spec.pooled, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        shallow, deep = (features[tap] for tap in self.taps)
        x = self.deep(deep)
        maps = [*(branch(x) for branch in self.branches), self.shallow(shallow)]
        weights = F.softmax(self.gate(concat(F, *maps)), axis=1)  # [N, a channel for each map, h, w]
        mixed = F.add_n(
            *[F.broadcast_mul(F.slice_axis(weights, axis=1, begin=i, end=i + 1), each) for i, each in enumerate(maps)]
        )
        pooled = resize(F, self.pool(global_pool(F, deep)), x, self.align_corners)
        return self.head(concat(F, mixed, pooled))
