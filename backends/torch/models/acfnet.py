"""ACFNet (Zhang et al., arXiv:1909.09408).

Original: MXNetSeg's. Where the paper mixes class centres, it mixes the raw coarse logits, and its softmax goes over
channels instead of classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, dropout
from core.arch.families.acfnet import ACFNetSpec


class ClassFeatures(nn.Module):
    """The map [N, C, H, W] and coarse logits [N, K, H, W]: each channel becomes a mixture of the logits."""

    def __init__(self, spec: ACFNetSpec) -> None:
        super().__init__()
        self.reduce = ConvNormAct(spec.width, spec.width, 1, spec.backbone.norm)
        self.out = ConvNormAct(spec.width, spec.width, 1, spec.backbone.norm)

    def forward(self, x: Tensor, coarse: Tensor) -> Tensor:
        features, logits = self.reduce(x).flatten(2), coarse.flatten(2)  # [N, C, HW], [N, K, HW]
        weights = torch.softmax(-(logits @ features.transpose(1, 2)), dim=-1)  # [N, K, C]
        return self.out((weights.transpose(1, 2) @ logits).unflatten(2, x.shape[2:]))


class ACFNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride: main, coarse, auxiliary."""

    def __init__(self, spec: ACFNetSpec) -> None:
        super().__init__(spec)
        norm, corners, width = spec.backbone.norm, spec.align_corners, spec.width
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.branches = nn.ModuleList([ConvNormAct(channels, width, 1, norm)])
        self.branches.extend(ConvNormAct(channels, width, 3, norm, dilation=rate) for rate in spec.rates)
        self.project = ConvNormAct((len(spec.rates) + 1) * width, width, 1, norm)
        self.dropout = dropout(spec.dropout)
        self.coarse = FCNHead(width, spec.num_classes, spec.coarse, norm, align_corners=corners)
        self.classes = ClassFeatures(spec)
        self.head = FCNHead(2 * width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> tuple[Tensor, ...]:
        x = features[self.deepest]
        x = self.dropout(self.project(torch.cat([branch(x) for branch in self.branches], dim=1)))
        coarse = self.coarse(x)
        return self.head(torch.cat([x, self.classes(x, coarse)], dim=1)), coarse
