"""CCNet (Huang et al., arXiv:1811.11721).

Original: mmseg's; the numbers stand in core/arch/families/ccnet.py.
"""

from __future__ import annotations

from types import ModuleType

from mxnet import init
from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, criss_cross
from core.arch.families.ccnet import CCNetSpec


class CrissCrossAttention(HybridBlock):
    """gamma * (the mean over a place's column and row, weighted by likeness) + the input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gamma = self.params.get("gamma", shape=(1,), init=init.Zero())
        self.query = nn.Conv2D(inner, 1, use_bias=True, in_channels=width)
        self.key = nn.Conv2D(inner, 1, use_bias=True, in_channels=width)
        self.value = nn.Conv2D(width, 1, use_bias=True, in_channels=width)

    def hybrid_forward(self, F: ModuleType, x: Tensor, gamma: Tensor) -> Tensor:
        mean = criss_cross(F, self.query(x), self.key(x), self.value(x))
        return F.broadcast_mul(mean, F.reshape(gamma, (1, 1, 1, 1))) + x


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

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        y = self.reduce(x)
        for _ in range(self.recurrence):
            y = self.attention(y)
        return self.head(concat(F, x, self.refine(y)))
