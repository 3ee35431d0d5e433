"""Semantic FPN (Kirillov et al., arXiv:1901.02446); its necks are told in core/arch/families/semantic_fpn.py."""

from __future__ import annotations

from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.layers import ConvGroupNormAct, ConvNormAct, dropout, enlarge, resize, resize_nearest
from core.arch.families.semantic_fpn import SemanticFPNSpec


class FusedNeck(nn.Module):
    """Every sum is convolved before it goes on upwards, but the deepest level."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        self.align_corners, norm, width = spec.align_corners, spec.backbone.norm, spec.width
        channels = [spec.backbone.channels(stage) for stage in spec.backbone.stages()]
        self.lateral = nn.ModuleList(ConvNormAct(count, width, 1, norm) for count in channels)
        self.smooth = nn.ModuleList(ConvNormAct(width, width, 3, norm) for _ in channels[1:])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The stages' maps to the levels', both shallowest first."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features)]
        for i in range(len(levels) - 2, -1, -1):
            above = resize(levels[i + 1], levels[i].shape[2:], self.align_corners)
            levels[i] = self.smooth[i](levels[i] + above)
        return levels


class PlainNeck(nn.Module):
    """The sums go on upwards as they are; `smoothed`: each is convolved beside."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        width = spec.width
        channels = [spec.backbone.channels(stage) for stage in spec.backbone.stages()]
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) if spec.neck == "smoothed" else nn.Identity() for _ in channels
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The stages' maps to the levels', both shallowest first."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features)]
        for i in range(len(levels) - 2, -1, -1):
            levels[i] = levels[i] + resize_nearest(levels[i + 1], levels[i].shape[2:])
        return [smooth(x) for smooth, x in zip(self.smooth, levels)]


class LevelsHead(nn.Module):
    """Brings the levels to the largest one's size by convolutions and x2 resizes in turn, sums them, and classifies."""

    def __init__(self, spec: SemanticFPNSpec) -> None:
        super().__init__()
        self.doublings, self.any_size, self.align_corners = spec.doublings(), spec.any_size, spec.align_corners
        width = spec.level_width
        self.levels = nn.ModuleList(
            nn.ModuleList(_unit(width if j else spec.width, spec) for j in range(max(doublings, 1)))
            for doublings in self.doublings
        )
        self.dropout = dropout(spec.dropout)
        self.classifier = nn.Conv2d(width, spec.num_classes, 1, bias=True)

    def forward(self, levels: list[Tensor]) -> Tensor:
        total = self.levels[0][0](levels[0])
        for units, x in zip(self.levels[1:], levels[1:]):
            for unit in units:
                x = enlarge(unit(x), 2, self.align_corners)
            total = total + (resize(x, total.shape[2:], self.align_corners) if self.any_size else x)
        return self.classifier(self.dropout(total))


def _unit(channels: int, spec: SemanticFPNSpec) -> nn.Module:
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

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.neck([features[stage] for stage in self.stages]))
