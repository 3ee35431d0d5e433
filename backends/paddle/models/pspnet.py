"""PSPNet (Zhao et al., arXiv:1612.01105).

Originals: GALD-Net, Fast_Seg, SemSegPaddle, MXNetSeg, mmseg, PaddleSeg; what tells them apart stands in
core/arch/families/pspnet.py.
"""

from __future__ import annotations

from paddle import Tensor

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import PyramidPooling
from core.arch.families.pspnet import PSPNetSpec


class PSPNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: PSPNetSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.backbone.norm, spec.align_corners
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.pyramid = PyramidPooling(channels, spec.pyramid, norm)
        pooled = spec.pyramid.out_channels(channels)
        self.head = FCNHead(pooled, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.pyramid(features[self.deepest]))
