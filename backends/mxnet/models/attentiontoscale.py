"""Attention to Scale (Chen et al., arXiv:1511.03339).

Original: MXNetSeg's; the numbers stand in core/arch/families/attentiontoscale.py. It resizes the half-sized picture's
features, not its scores. Batch norms see the half first: so do they in the original, for running statistics change in
the backward pass.
"""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import Tensor, concat, halve, resize
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

    def encode(self, F: ModuleType, x: Tensor) -> dict[str, Tensor]:
        """The maps of the picture and, as `half`, the deepest one of the picture at half its size."""
        half = self.backbone(halve(F, x, self.align_corners))[self.deepest]
        return {**self.backbone(x), "half": half}

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        whole = features[self.deepest]
        half = resize(F, features["half"], whole, self.align_corners)
        weight = F.sigmoid(self.attention(concat(F, whole, half)))  # [N, 1, h, w]
        # The backward pass takes the operands from the last to the first, and changes running statistics as it goes.
        return F.broadcast_mul(weight, self.head(whole)) + F.broadcast_mul(1 - weight, self.head(half))
