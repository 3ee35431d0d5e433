"""CANet v1 (Tang et al., arXiv:2002.12041).

Original: MXNetSeg's; the numbers stand in core/arch/families/canetv1.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, dropout, global_pool, reduce_pool, resize, separable_conv
from core.arch.families.canetv1 import CANetV1Spec


class CANetV1(EncoderDecoder):
    """[N, 3, H, W] -> logits at a quarter of the picture, main head first."""

    def __init__(self, spec: CANetV1Spec) -> None:
        super().__init__(spec)
        norm, width, self.align_corners = spec.backbone.norm, spec.width, spec.align_corners
        self.strides, stages = spec.strides, spec.backbone.stages()
        self.shallow, self.deepest = stages[0], stages[-1]
        channels = spec.backbone.channels(self.deepest)
        self.global_flow = ConvNormAct(channels, width, 1, norm)
        self.flows = nn.ModuleList(
            nn.Sequential(
                separable_conv(channels + width, width, 3, norm, separation="norm_act"),
                separable_conv(width, width, 3, norm, separation="norm_act"),
            )
            for _ in spec.strides
        )
        self.merge = ConvNormAct(width, spec.merged, 3, norm)
        self.dropout = dropout(spec.dropout)
        self.detail = ConvNormAct(spec.backbone.channels(self.shallow), spec.detail, 3, norm)
        self.refine = ConvNormAct(spec.merged + spec.detail, spec.merged, 3, norm)
        self.head = FCNHead(spec.merged, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        shallow, x = features[self.shallow], features[self.deepest]
        size = x.shape[2:]
        total = flow = resize(self.global_flow(global_pool(x)), size, self.align_corners)
        for block, stride in zip(self.flows, self.strides):
            flow = block(reduce_pool(torch.cat([x, flow], dim=1), stride))
            flow = resize(flow, size, self.align_corners)
            total = total + flow
        merged = resize(self.dropout(self.merge(total)), shallow.shape[2:], self.align_corners)
        return self.head(self.refine(torch.cat([merged, self.detail(shallow)], dim=1)))
