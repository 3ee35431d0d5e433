"""CANet v1 (Tang et al., arXiv:2002.12041).

Original: MXNetSeg's; the numbers stand in core/arch/families/canetv1.py.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, dropout, global_pool, reduce_pool, resize, separable_conv
from core.arch.families.canetv1 import CANetV1Spec
from core.arch.parts import NormSpec


def _flow(channels: int, width: int, norm: NormSpec) -> nn.HybridSequential:
    flow = nn.HybridSequential()
    flow.add(
        separable_conv(channels + width, width, 3, norm, separation="norm_act"),
        separable_conv(width, width, 3, norm, separation="norm_act"),
    )
    return flow


class CANetV1(EncoderDecoder):
    """[N, 3, H, W] -> logits at a quarter of the picture, main head first."""

    def __init__(self, spec: CANetV1Spec) -> None:
        super().__init__(spec)
        norm, width, self.align_corners = spec.backbone.norm, spec.width, spec.align_corners
        self.strides, stages = spec.strides, spec.backbone.stages()
        self.shallow, self.deepest = stages[0], stages[-1]
        channels = spec.backbone.channels(self.deepest)
        self.global_flow = ConvNormAct(channels, width, 1, norm)
        self.flows = nn.HybridSequential()
        self.flows.add(*[_flow(channels, width, norm) for _ in spec.strides])
        self.merge = ConvNormAct(width, spec.merged, 3, norm)
        self.dropout = dropout(spec.dropout)
        self.detail = ConvNormAct(spec.backbone.channels(self.shallow), spec.detail, 3, norm)
        self.refine = ConvNormAct(spec.merged + spec.detail, spec.merged, 3, norm)
        self.head = FCNHead(spec.merged, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        shallow, x = features[self.shallow], features[self.deepest]
        total = flow = resize(F, self.global_flow(global_pool(F, x)), x, self.align_corners)
        for block, stride in zip(self.flows, self.strides):
            flow = resize(F, block(reduce_pool(F, concat(F, x, flow), stride)), x, self.align_corners)
            total = total + flow
        merged = resize(F, self.dropout(self.merge(total)), shallow, self.align_corners)
        return self.head(self.refine(concat(F, merged, self.detail(shallow))))
