"""DeepLabv3+ (Chen et al., arXiv:1802.02611).

Originals: MXNetSeg, GluonCV, mmseg, PaddleSeg, segmentation_models.pytorch; what tells them apart stands in
core/arch/families/deeplabv3plus.py.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ASPP, ConvNormAct, dropout, resize, separable_conv
from core.arch.families.deeplabv3plus import DeepLabv3PlusSpec, FusionSpec
from core.arch.parts import NormSpec


class Fusion(nn.Module):
    """The reduced shallow map [N, low, h, w] beside the resized deep one, convolved: [N, width, h, w]."""

    def __init__(self, low: int, deep: int, spec: FusionSpec, norm: NormSpec, *, align_corners: bool) -> None:
        super().__init__()
        self.low_first, self.align_corners = spec.low_first, align_corners
        separation, bias = spec.separation, spec.bias
        self.low = ConvNormAct(low, spec.low_width, spec.low_kernel, norm, bias=bias)
        self.refine: nn.Module = nn.Identity()
        if spec.refine:
            self.refine = separable_conv(deep, deep, 3, norm, separation=separation, bias=bias)
        widths = [spec.low_width + deep, *[spec.width] * spec.convs]
        self.convs = nn.Sequential(
            *[
                separable_conv(channels, width, 3, norm, separation=separation, bias=bias)
                for channels, width in pairwise(widths)
            ]
        )
        self.dropout = dropout(spec.dropout)

    def forward(self, low: Tensor, deep: Tensor) -> Tensor:
        low = self.low(low)
        deep = resize(self.refine(deep), low.shape[2:], self.align_corners)
        joined = torch.cat([low, deep] if self.low_first else [deep, low], dim=1)
        return self.dropout(self.convs(joined))


class DeepLabv3Plus(EncoderDecoder):
    """[N, 3, H, W] -> logits at the shallow map's stride, main head first."""

    def __init__(self, spec: DeepLabv3PlusSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.head_norm, spec.align_corners
        self.deepest, self.tap = spec.backbone.deepest, spec.fusion.tap
        self.aspp = ASPP(spec.backbone.channels(self.deepest), spec.aspp, norm)
        low = spec.backbone.channels(self.tap)
        self.fusion = Fusion(low, spec.aspp.out_width, spec.fusion, norm, align_corners=corners)
        self.head = FCNHead(spec.fusion.width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.fusion(features[self.tap], self.aspp(features[self.deepest])))
