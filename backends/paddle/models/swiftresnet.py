"""SwiftNet (Orsic et al., arXiv:1903.08469) in MXNetSeg's forms; numbers in core/arch/families/swiftresnet.py."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, PyramidPooling, halve, resize
from core.arch.families.swiftresnet import HALF, SwiftResNetSpec


class Step(nn.Layer):
    """One step of the ladder: 1x1 of the lateral map plus the map resized to it, 3x3."""

    def __init__(self, channels: int, spec: SwiftResNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.lateral = ConvNormAct(channels, spec.width, 1, spec.backbone.norm)
        self.blend = ConvNormAct(spec.width, spec.width, 3, spec.backbone.norm)

    def forward(self, x: Tensor, lateral: Tensor) -> Tensor:
        return self.blend(resize(x, lateral.shape[2:], self.align_corners) + self.lateral(lateral))


class SwiftResNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/4, main head first."""

    def __init__(self, spec: SwiftResNetSpec) -> None:
        super().__init__(spec)
        norm, corners, channels = spec.backbone.norm, spec.align_corners, spec.channels(spec.top)
        self.half_scale, self.align_corners = spec.half_scale, corners
        self.top, self.laterals = spec.top, spec.laterals
        self.pyramid: nn.Layer = nn.Identity()
        if spec.pyramid is not None:
            self.pyramid = PyramidPooling(channels, spec.pyramid, norm)
            channels = spec.pyramid.out_channels(channels)
        self.start = ConvNormAct(channels, spec.width, 1, norm)
        self.ladder = nn.LayerList([Step(sum(map(spec.channels, maps)), spec) for maps in self.laterals])
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, norm, align_corners=corners)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """The maps of the picture and, under names that end in `_half`, of the picture at half its size."""
        features = super().encode(x)
        if self.half_scale:
            half = self.backbone(halve(x, self.align_corners))
            features |= {stage + HALF: value for stage, value in half.items()}
        return features

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = self.start(self.pyramid(features[self.top]))
        for step, names in zip(self.ladder, self.laterals):
            x = step(x, paddle.concat([features[name] for name in names], axis=1))
        return self.head(x)
