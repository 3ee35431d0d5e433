"""Semantic FPN (Kirillov et al., arXiv:1901.02446); its necks are told in core/arch/families/semantic_fpn.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.layers import ConvGroupNormAct, ConvNormAct, Tensor, dropout, enlarge, resize, resize_nearest
from core.arch.families.semantic_fpn import SemanticFPNSpec


class FusedNeck(HybridBlock):
    """Every sum is convolved before it goes on upwards, but the deepest level."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        self.align_corners, norm, width = spec.align_corners, spec.backbone.norm, spec.width
        channels = [spec.backbone.channels(stage) for stage in spec.backbone.stages()]
        self.lateral, self.smooth = nn.HybridSequential(), nn.HybridSequential()
        self.lateral.add(*[ConvNormAct(count, width, 1, norm) for count in channels])
        self.smooth.add(*[ConvNormAct(width, width, 3, norm) for _ in channels[1:]])

    def hybrid_forward(self, F: ModuleType, *features: Tensor) -> list[Tensor]:
        """The stages' maps to the levels', both shallowest first."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features)]
        for i in range(len(levels) - 2, -1, -1):
            levels[i] = self.smooth[i](levels[i] + resize(F, levels[i + 1], levels[i], self.align_corners))
        return levels


class PlainNeck(HybridBlock):
    """The sums go on upwards as they are; `smoothed`: each is convolved beside."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        width = spec.width
        self.lateral, self.smooth = nn.HybridSequential(), nn.HybridSequential()
        for stage in spec.backbone.stages():
            self.lateral.add(nn.Conv2D(width, 1, use_bias=True, in_channels=spec.backbone.channels(stage)))
            if spec.neck == "smoothed":
                self.smooth.add(nn.Conv2D(width, 3, padding=1, use_bias=True, in_channels=width))
            else:
                self.smooth.add(Identity())

    def hybrid_forward(self, F: ModuleType, *features: Tensor) -> list[Tensor]:
        """The stages' maps to the levels', both shallowest first."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features)]
        for i in range(len(levels) - 2, -1, -1):
            levels[i] = levels[i] + resize_nearest(F, levels[i + 1], levels[i])
        return [smooth(x) for smooth, x in zip(self.smooth, levels)]


class LevelsHead(HybridBlock):
    """Brings the levels to the largest one's size by convolutions and x2 resizes in turn, sums them, and classifies."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        self.doublings, self.any_size, self.align_corners = spec.doublings(), spec.any_size, spec.align_corners
        width = spec.level_width
        self.levels = nn.HybridSequential()
        for doublings in self.doublings:
            units = nn.HybridSequential()
            units.add(*[_unit(width if j else spec.width, spec) for j in range(max(doublings, 1))])
            self.levels.add(units)
        self.dropout = dropout(spec.dropout)
        self.classifier = nn.Conv2D(spec.num_classes, 1, use_bias=True, in_channels=width)

    def hybrid_forward(self, F: ModuleType, *levels: Tensor) -> Tensor:
        total = self.levels[0][0](levels[0])
        for i in range(1, len(levels)):
            x = levels[i]
            for unit in self.levels[i]:
                x = enlarge(F, unit(x), 2, self.align_corners)
            total = total + (resize(F, x, total, self.align_corners) if self.any_size else x)
        return self.classifier(self.dropout(total))


def _unit(channels: int, spec: SemanticFPNSpec) -> HybridBlock:
    if spec.group_norm:
        return ConvGroupNormAct(channels, spec.level_width, 3, spec.group_norm)
    return ConvNormAct(channels, spec.level_width, 3, spec.backbone.norm)


class SemanticFPN(EncoderDecoder):
    """[N, 3, H, W] -> logits at a quarter of the picture."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__(spec)
        self.stages = spec.backbone.stages()
        self.neck = FusedNeck(spec) if spec.neck == "fused" else PlainNeck(spec)
        self.head = LevelsHead(spec)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        return self.head(*self.neck(*[features[stage] for stage in self.stages]))
