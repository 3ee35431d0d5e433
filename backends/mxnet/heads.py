"""Heads several architectures share."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import ConvNormAct, Tensor, dropout, enlarge
from core.arch import Spec
from core.arch.parts import FCNHeadSpec, NormSpec


class FCNHead(HybridBlock):
    """conv - batch norm - activation - (resize) - dropout - 1x1 classifier (core.arch.parts.FCNHeadSpec)."""

    def __init__(
        self, channels: int, num_classes: int, spec: FCNHeadSpec, norm: NormSpec, *, align_corners: bool
    ) -> None:
        super().__init__()
        self.upsample = spec.upsample
        self.align_corners = align_corners if spec.align_corners is None else spec.align_corners
        if spec.width:
            self.block = ConvNormAct(channels, spec.width, spec.kernel, norm, bias=spec.bias, act=spec.act)
        else:
            self.block = Identity()
        self.dropout = dropout(spec.dropout)
        kernel, inner, bias = spec.classifier_kernel, spec.width or channels, spec.classifier_bias
        self.classifier = nn.Conv2D(num_classes, kernel, padding=kernel // 2, use_bias=bias, in_channels=inner)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = enlarge(F, self.block(x), self.upsample, self.align_corners)
        return self.classifier(self.dropout(x))


class AuxiliaryHeads(nn.HybridSequential):
    """The auxiliary heads of a network: {tap: map} -> their logits, in the spec's order."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.taps = [head.tap for head in spec.auxiliary]
        for head in spec.auxiliary:
            channels, corners = spec.tap_channels(head.tap), spec.align_corners
            self.add(FCNHead(channels, spec.num_classes, head, spec.head_norm, align_corners=corners))

    def __call__(self, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Not a block's call: a graph takes arrays, not a dictionary; each head is called as a block."""
        return tuple(head(features[tap]) for head, tap in zip(self, self.taps))
