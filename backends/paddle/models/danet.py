"""DANet (Fu et al., arXiv:1809.02983).

Originals: MXNetSeg, GluonCV, mmseg, PaddleSeg; what tells them apart stands in core/arch/families/danet.py. All take
the softmax over channels of (row maximum - energy), which is that of the negative energy.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, attend, resize_from_start
from core.arch.families.danet import DANetSpec


class PositionBranch(nn.Layer):
    """3x3 - every place as a mean of all, weighted by likeness; gamma * that + the input - 3x3."""

    def __init__(self, channels: int, spec: DANetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.gamma = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))
        self.reduce = ConvNormAct(channels, width, 3, norm, bias=spec.bias)
        self.query = nn.Conv2D(width, spec.inner, 1)
        self.key = nn.Conv2D(width, spec.inner, 1)
        self.value = nn.Conv2D(width, width, 1)
        self.refine = ConvNormAct(width, width, 3, norm, bias=spec.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        return self.refine(self.gamma * attend(self.query(x), self.key(x), self.value(x)) + x)


class ChannelBranch(nn.Layer):
    """3x3 - every channel as a mean of all, weighted by unlikeness; gamma * that + the input - 3x3."""

    def __init__(self, channels: int, spec: DANetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.gamma = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))
        self.reduce = ConvNormAct(channels, width, 3, norm, bias=spec.bias)
        self.refine = ConvNormAct(width, width, 3, norm, bias=spec.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        flat = x.flatten(2)  # [N, C, HW]
        weights = F.softmax(-paddle.matmul(flat, flat, transpose_y=True), axis=-1)  # [N, C, C]
        return self.refine(self.gamma * paddle.matmul(weights, flat).unflatten(2, x.shape[2:]) + x)


class DANet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride or the picture's size, main head first."""

    def __init__(self, spec: DANetSpec) -> None:
        super().__init__(spec)
        self.deepest, self.enlarges = spec.backbone.deepest, spec.logits == "picture"
        channels, corners = spec.backbone.channels(self.deepest), spec.align_corners
        self.position = PositionBranch(channels, spec)
        self.channel = ChannelBranch(channels, spec)
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, spec.head_norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        features["position"], features["channel"] = self.position(x), self.channel(x)
        return self.head(features["position"] + features["channel"])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outputs = super().forward(x)
        return tuple(resize_from_start(y, x.shape[2:]) for y in outputs) if self.enlarges else outputs
