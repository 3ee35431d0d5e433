"""Attention to Scale (Chen et al., arXiv:1511.03339).

Original: MXNetSeg's; the numbers stand in core/arch/families/attentiontoscale.py. It resizes the half-sized picture's
features, not its scores. Batch norms see the half first: so do they in the original, whose framework changes running
statistics in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import halve, resize
from core.arch.families.attentiontoscale import AttentionToScaleSpec


class AttentionToScale(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: AttentionToScaleSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.backbone.norm, spec.align_corners
        self.deepest, self.align_corners = spec.backbone.deepest, corners
        channels = spec.backbone.channels(self.deepest)
        self.head = FCNHead(channels, spec.num_classes, spec.head, norm, align_corners=corners)
        self.attention = FCNHead(2 * channels, 1, spec.attention, norm, align_corners=corners)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """The maps of the picture and, as `half`, the deepest one of the picture at half its size."""
        half = self.backbone(halve(x, self.align_corners))[self.deepest]
        return {**self.backbone(x), "half": half}

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        whole = features[self.deepest]
        half = resize(features["half"], whole.shape[2:], self.align_corners)
        weight = torch.sigmoid(self.attention(torch.cat([whole, half], dim=1)))  # [N, 1, h, w]
        logits_half = self.head(half)
        return weight * self.head(whole) + (1 - weight) * logits_half
