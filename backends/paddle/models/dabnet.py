"""DABNet, the densely aggregated bilateral network.

Original: isyangshu/DABNet. Its interaction modules stand inside the backbone: what one gives goes on into the next
stage. Their convolutions have biases although batch norms follow, and the sum at their end has no activation.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import BatchNorm, ChannelGate, ConvNormAct, halve, resize, resize_nearest
from core.arch.families.dabnet import DABNetSpec
from core.arch.parts import NormSpec


class Join(nn.Layer):
    """Sum of two convolutions - batch norm - ReLU."""

    def __init__(self, first: int, second: int, width: int, kernel: int, norm: NormSpec) -> None:
        super().__init__()
        self.first = nn.Conv2D(first, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2D(second, width, kernel, padding=kernel // 2)
        self.bn = BatchNorm(width, norm)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return F.relu(self.bn(self.first(first) + self.second(second)))


class Interaction(nn.Layer):
    """Spatial interaction: a path at the map's resolution and one of windows, exchanged once and added to the map."""

    def __init__(self, outer: int, inner: int, patch: int, norm: NormSpec) -> None:
        super().__init__()
        self.patch = patch
        self.high = ConvNormAct(outer, inner, 3, norm, bias=True)
        self.patches = ConvNormAct(outer * patch**2, inner, 3, norm, bias=True)
        self.low = Join(inner, outer, inner, 1, norm)
        self.exchange_high = Join(inner, inner, inner, 3, norm)
        self.exchange_low = Join(inner, inner, inner, 3, norm)
        self.out = Join(inner, inner, outer, 3, norm)

    def forward(self, x: Tensor) -> Tensor:
        high, size = self.high(x), x.shape[2:]
        means = F.avg_pool2d(x, self.patch, stride=self.patch)
        # A channel's places together, row by row; Paddle's pixel_unshuffle cannot be in a graph for any size.
        places = F.unfold(x, self.patch, strides=self.patch).unflatten(2, means.shape[2:])
        low = self.low(self.patches(places), means)
        exchanged = self.exchange_high(high, resize(low, size, align_corners=False))
        low = self.exchange_low(low, F.avg_pool2d(high, self.patch, stride=self.patch))
        return x + self.out(exchanged, resize(low, size, align_corners=False))


class Refine(nn.Layer):
    """3x3 convolution and a gate of its channels."""

    def __init__(self, channels: int, spec: DABNetSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(channels, spec.context_width, 3, norm)
        self.gate = ChannelGate(spec.context_width, spec.refine_gate, norm)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * self.gate(x)


class Fusion(nn.Layer):
    """1x1 convolution of both paths; its gated channels are added."""

    def __init__(self, spec: DABNetSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(2 * spec.context_width, spec.fusion_width, 1, norm)
        self.gate = ChannelGate(spec.fusion_width, spec.fusion_gate, norm)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.conv(paddle.concat([spatial, context], axis=1))
        return x + x * self.gate(x)


class DABNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/8, main head first."""

    def __init__(self, spec: DABNetSpec) -> None:
        super().__init__(spec)
        backbone, norm, width = spec.backbone, spec.backbone.norm, spec.context_width
        self.stages = backbone.stages()[:4]
        channels = [backbone.channels(stage) for stage in self.stages]
        self.interactions = nn.LayerList(
            [Interaction(outer, inner, spec.patch, norm) for outer, inner in zip(channels, spec.interaction_widths)]
        )
        quarter, eighth = spec.spatial_widths
        self.spatial = nn.LayerList(
            [
                ConvNormAct(backbone.in_channels + backbone.half_channels, quarter, 3, norm, stride=2),
                ConvNormAct(quarter, eighth, 3, norm, stride=2),
                ConvNormAct(eighth, width, 1, norm),
            ]
        )
        self.lateral = nn.LayerList(
            [ConvNormAct(channels[0], quarter, 3, norm), ConvNormAct(channels[1], eighth, 3, norm)]
        )
        self.refine32, self.refine16 = Refine(channels[3], spec, norm), Refine(channels[2], spec, norm)
        self.up32, self.up16 = ConvNormAct(width, width, 3, norm), ConvNormAct(width, width, 3, norm)
        self.fusion = Fusion(spec, norm)
        self.head = FCNHead(spec.fusion_width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """The maps that the interaction modules give after each stage, and what the first takes."""
        x = self.backbone.half(x)
        features = {"half": x}
        for stage, interaction in zip(self.stages, self.interactions):
            x = features[stage] = interaction(self.backbone.advance(stage, x))
        return features

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x4, x8, x16, x32 = (features[stage] for stage in self.stages)
        half_picture = halve(features["picture"], align_corners=False)
        spatial = self.spatial[0](paddle.concat([half_picture, features["half"]], axis=1))  # 1/4
        spatial = self.spatial[1](spatial + self.lateral[0](x4))  # 1/8
        spatial = self.spatial[2](spatial + self.lateral[1](x8))
        context = self.up32(resize_nearest(self.refine32(x32), x16.shape[2:]))
        features["context16"] = context
        context = self.up16(resize_nearest(self.refine16(x16) + context, x8.shape[2:]))
        features["context8"] = context
        return self.head(self.fusion(spatial, context))
