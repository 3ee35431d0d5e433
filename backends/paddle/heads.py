"""Heads several architectures share."""

from __future__ import annotations

from collections.abc import Mapping

from paddle import Tensor, nn

from backends.paddle.layers import ConvNormAct, dropout, enlarge
from core.arch import Spec
from core.arch.parts import FCNHeadSpec, NormSpec


class FCNHead(nn.Layer):
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
            self.block = nn.Identity()
        self.dropout = dropout(spec.dropout)
        bias = None if spec.classifier_bias else False
        kernel, inner = spec.classifier_kernel, spec.width or channels
        self.classifier = nn.Conv2D(inner, num_classes, kernel, padding=kernel // 2, bias_attr=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = enlarge(self.block(x), self.upsample, self.align_corners)
        return self.classifier(self.dropout(x))


class AuxiliaryHeads(nn.LayerList):
    """The auxiliary heads of a network: {tap: map} -> their logits, in the spec's order."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(
            [
                FCNHead(
                    spec.tap_channels(head.tap),
                    spec.num_classes,
                    head,
                    spec.head_norm,
                    align_corners=spec.align_corners,
                )
                for head in spec.auxiliary
            ]
        )
        self.taps = [head.tap for head in spec.auxiliary]

    def forward(self, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        logits = []  # in a loop: paddle.jit gives a generator's free variables back as cells after a break of the graph
        for head, tap in zip(self, self.taps):
            logits.append(head(features[tap]))
        return tuple(logits)
