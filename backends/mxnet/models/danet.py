"""DANet (Fu et al., arXiv:1809.02983).

Originals: MXNetSeg, GluonCV, mmseg, PaddleSeg; what tells them apart stands in core/arch/families/danet.py. All take
the softmax over channels of (row maximum - energy), which is that of the negative energy.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mxnet import init
from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, attend, resize_from_start
from core.arch.families.danet import DANetSpec


def _add(F: ModuleType, x: Tensor, attended: Tensor, gamma: Tensor) -> Tensor:
    """x [N, C, H, W] + gamma [1] * attended [N, C, H, W]."""
    return F.broadcast_mul(attended, F.reshape(gamma, (1, 1, 1, 1))) + x


class PositionBranch(HybridBlock):
    """3x3 - every place as a mean of all, weighted by likeness; gamma * that + the input - 3x3."""

    def __init__(self, channels: int, spec: DANetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.gamma = self.params.get("gamma", shape=(1,), init=init.Zero())
        self.reduce = ConvNormAct(channels, width, 3, norm, bias=spec.bias)
        self.query = nn.Conv2D(spec.inner, 1, use_bias=True, in_channels=width)
        self.key = nn.Conv2D(spec.inner, 1, use_bias=True, in_channels=width)
        self.value = nn.Conv2D(width, 1, use_bias=True, in_channels=width)
        self.refine = ConvNormAct(width, width, 3, norm, bias=spec.bias)

    def hybridize(self, active: bool = True, **options: Any) -> None:
        """Part of the network's graph, but none by itself: attention in blocks asks for the map's size."""
        super().hybridize(False)

    def hybrid_forward(self, F: ModuleType, x: Tensor, gamma: Tensor) -> Tensor:
        x = self.reduce(x)
        return self.refine(_add(F, x, attend(F, self.query(x), self.key(x), self.value(x)), gamma))


class ChannelBranch(HybridBlock):
    """3x3 - every channel as a mean of all, weighted by unlikeness; gamma * that + the input - 3x3."""

    def __init__(self, channels: int, spec: DANetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.gamma = self.params.get("gamma", shape=(1,), init=init.Zero())
        self.reduce = ConvNormAct(channels, width, 3, norm, bias=spec.bias)
        self.refine = ConvNormAct(width, width, 3, norm, bias=spec.bias)

    def hybrid_forward(self, F: ModuleType, x: Tensor, gamma: Tensor) -> Tensor:
        x = self.reduce(x)
        flat = F.reshape(x, (0, 0, -1))  # [N, C, HW]
        weights = F.softmax(-F.batch_dot(flat, flat, transpose_b=True), axis=-1)  # [N, C, C]
        return self.refine(_add(F, x, F.reshape_like(F.batch_dot(weights, flat), x), gamma))


class DANet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride or the picture's size, main head first."""

    by_parts = True

    def __init__(self, spec: DANetSpec) -> None:
        super().__init__(spec)
        self.deepest, self.enlarges = spec.backbone.deepest, spec.logits == "picture"
        channels, corners = spec.backbone.channels(self.deepest), spec.align_corners
        self.position = PositionBranch(channels, spec)
        self.channel = ChannelBranch(channels, spec)
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, spec.head_norm, align_corners=corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        features["position"], features["channel"] = self.position(x), self.channel(x)
        return self.head(features["position"] + features["channel"])

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        outputs = super().hybrid_forward(F, x)
        return tuple(resize_from_start(F, y, x) for y in outputs) if self.enlarges else outputs
