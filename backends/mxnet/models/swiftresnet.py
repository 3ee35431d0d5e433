"""SwiftNet (Orsic et al., arXiv:1903.08469) in MXNetSeg's forms; numbers in core/arch/families/swiftresnet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, PyramidPooling, Tensor, concat, halve, resize
from core.arch.families.swiftresnet import HALF, SwiftResNetSpec


class Step(HybridBlock):
    """One step of the ladder: 1x1 of the lateral map plus the map resized to it, 3x3."""

    def __init__(self, channels: int, spec: SwiftResNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.lateral = ConvNormAct(channels, spec.width, 1, spec.backbone.norm)
        self.blend = ConvNormAct(spec.width, spec.width, 3, spec.backbone.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor, lateral: Tensor) -> Tensor:
        return self.blend(resize(F, x, lateral, self.align_corners) + self.lateral(lateral))


def _backward_first(F: ModuleType, x: Tensor, other: Tensor) -> Tensor:
    """`x`; the backward pass goes through what is made of it before it reaches `other`, by a gradient of 0.

    MXNet changes running statistics in the backward pass, so that of two passes through a backbone the one whose
    backward pass comes last counts as the later.
    """
    return F.broadcast_add(x, 0 * F.mean(other, axis=(1, 2, 3), keepdims=True))


class SwiftResNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/4, main head first."""

    def __init__(self, spec: SwiftResNetSpec) -> None:
        super().__init__(spec)
        norm, corners, channels = spec.backbone.norm, spec.align_corners, spec.channels(spec.top)
        self.half_scale, self.align_corners = spec.half_scale, corners
        self.top, self.laterals = spec.top, spec.laterals
        self.pyramid = Identity() if spec.pyramid is None else PyramidPooling(channels, spec.pyramid, norm)
        if spec.pyramid is not None:
            channels = spec.pyramid.out_channels(channels)
        self.start = ConvNormAct(channels, spec.width, 1, norm)
        self.ladder = nn.HybridSequential()
        self.ladder.add(*[Step(sum(map(spec.channels, maps)), spec) for maps in self.laterals])
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, norm, align_corners=corners)

    def encode(self, F: ModuleType, x: Tensor) -> dict[str, Tensor]:
        """The maps of the picture and, under names that end in `_half`, of the picture at half its size."""
        if not self.half_scale:
            return super().encode(F, x)
        half = self.backbone(halve(F, x, self.align_corners))
        features = super().encode(F, _backward_first(F, x, half[self.backbone.stages[-1]]))
        return features | {stage + HALF: value for stage, value in half.items()}

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = self.start(self.pyramid(features[self.top]))
        for step, names in zip(self.ladder, self.laterals):
            x = step(x, concat(F, *[features[name] for name in names]))
        return self.head(x)
