"""DABNet, the densely aggregated bilateral network.

Original: isyangshu/DABNet. Its interaction modules stand inside the backbone: what one gives goes on into the next
stage. Their convolutions have biases although batch norms follow, and the sum at their end has no activation.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import BatchNorm, ChannelGate, ConvNormAct, Tensor, concat, halve, resize, resize_nearest
from core.arch.families.dabnet import DABNetSpec
from core.arch.parts import NormSpec


class Join(HybridBlock):
    """Sum of two convolutions - batch norm - ReLU."""

    def __init__(self, first: int, second: int, width: int, kernel: int, norm: NormSpec) -> None:
        super().__init__()
        self.first = nn.Conv2D(width, kernel, padding=kernel // 2, use_bias=True, in_channels=first)
        self.second = nn.Conv2D(width, kernel, padding=kernel // 2, use_bias=True, in_channels=second)
        self.bn = BatchNorm(width, norm)

    def hybrid_forward(self, F: ModuleType, first: Tensor, second: Tensor) -> Tensor:
        return F.relu(self.bn(self.first(first) + self.second(second)))


def _window_means(F: ModuleType, x: Tensor, side: int) -> Tensor:
    """[N, C, h / side, w / side]"""
    return F.Pooling(x, pool_type="avg", kernel=(side, side), stride=(side, side))


def _windows_to_channels(F: ModuleType, x: Tensor, side: int) -> Tensor:
    """[N, C, h, w] to [N, C * side * side, h / side, w / side], a channel's places together, row by row.

    MXNet's own operator (space_to_depth) puts the places before the channels.
    """
    x = F.reshape(x, (0, 0, -4, -1, side, -4, -1, side))  # [N, C, h / side, side, w / side, side]
    x = F.transpose(x, (0, 1, 3, 5, 2, 4))
    return F.reshape(F.reshape(x, (0, 0, -3, 0, 0)), (0, -3, 0, 0))


class Interaction(HybridBlock):
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

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        high = self.high(x)
        low = self.low(self.patches(_windows_to_channels(F, x, self.patch)), _window_means(F, x, self.patch))
        exchanged = self.exchange_high(high, resize(F, low, x, align_corners=False))
        low = self.exchange_low(low, _window_means(F, high, self.patch))
        return x + self.out(exchanged, resize(F, low, x, align_corners=False))


class Refine(HybridBlock):
    """3x3 convolution and a gate of its channels."""

    def __init__(self, channels: int, spec: DABNetSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(channels, spec.context_width, 3, norm)
        self.gate = ChannelGate(spec.context_width, spec.refine_gate, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.broadcast_mul(x, self.gate(x))


class Fusion(HybridBlock):
    """1x1 convolution of both paths; its gated channels are added."""

    def __init__(self, spec: DABNetSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(2 * spec.context_width, spec.fusion_width, 1, norm)
        self.gate = ChannelGate(spec.fusion_width, spec.fusion_gate, norm)

    def hybrid_forward(self, F: ModuleType, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.conv(concat(F, spatial, context))
        return x + F.broadcast_mul(x, self.gate(x))


def _blocks(blocks: list[HybridBlock]) -> nn.HybridSequential:
    held = nn.HybridSequential()
    held.add(*blocks)
    return held


class DABNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/8, main head first."""

    def __init__(self, spec: DABNetSpec) -> None:
        super().__init__(spec)
        backbone, norm, width = spec.backbone, spec.backbone.norm, spec.context_width
        self.stages = backbone.stages()[:4]
        channels = [backbone.channels(stage) for stage in self.stages]
        self.interactions = _blocks(
            [Interaction(outer, inner, spec.patch, norm) for outer, inner in zip(channels, spec.interaction_widths)]
        )
        quarter, eighth = spec.spatial_widths
        self.spatial = _blocks(
            [
                ConvNormAct(backbone.in_channels + backbone.half_channels, quarter, 3, norm, stride=2),
                ConvNormAct(quarter, eighth, 3, norm, stride=2),
                ConvNormAct(eighth, width, 1, norm),
            ]
        )
        self.lateral = _blocks([ConvNormAct(channels[0], quarter, 3, norm), ConvNormAct(channels[1], eighth, 3, norm)])
        self.refine32, self.refine16 = Refine(channels[3], spec, norm), Refine(channels[2], spec, norm)
        self.up32, self.up16 = ConvNormAct(width, width, 3, norm), ConvNormAct(width, width, 3, norm)
        self.fusion = Fusion(spec, norm)
        self.head = FCNHead(spec.fusion_width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def encode(self, F: ModuleType, x: Tensor) -> dict[str, Tensor]:
        """The maps that the interaction modules give after each stage, and what the first takes."""
        x = self.backbone.half(F, x)
        features = {"half": x}
        for stage, interaction in zip(self.stages, self.interactions):
            x = features[stage] = interaction(self.backbone.advance(F, stage, x))
        return features

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x4, x8, x16, x32 = (features[stage] for stage in self.stages)
        half_picture = halve(F, features["picture"], align_corners=False)
        spatial = self.spatial[0](concat(F, half_picture, features["half"]))  # 1/4
        spatial = self.spatial[1](spatial + self.lateral[0](x4))  # 1/8
        spatial = self.spatial[2](spatial + self.lateral[1](x8))
        context = self.up32(resize_nearest(F, self.refine32(x32), x16))
        features["context16"] = context
        context = self.up16(resize_nearest(F, self.refine16(x16) + context, x8))
        features["context8"] = context
        return self.head(self.fusion(spatial, context))
