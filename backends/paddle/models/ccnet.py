"""CCNet (Huang et al., arXiv:1811.11721).

Original: mmseg's; the numbers stand in core/arch/families/ccnet.py.
"""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, criss_cross
from core.arch.families.ccnet import CCNetSpec


class CrissCrossAttention(nn.Layer):
    """gamma * (the mean over a place's column and row, weighted by likeness) + the input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gamma = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))
        self.query = nn.Conv2D(width, inner, 1)
        self.key = nn.Conv2D(width, inner, 1)
        self.value = nn.Conv2D(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * criss_cross(self.query(x), self.key(x), self.value(x)) + x


class CCNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: CCNetSpec) -> None:
        super().__init__(spec)
        norm, width = spec.backbone.norm, spec.width
        self.deepest, self.recurrence = spec.backbone.deepest, spec.recurrence
        channels = spec.backbone.channels(self.deepest)
        self.reduce = ConvNormAct(channels, width, 3, norm)
        self.attention = CrissCrossAttention(width, width // spec.reduction)
        self.refine = ConvNormAct(width, width, 3, norm)
        self.head = FCNHead(channels + width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        y = self.reduce(x)
        for _ in range(self.recurrence):
            y = self.attention(y)
        return self.head(paddle.concat([x, self.refine(y)], axis=1))
