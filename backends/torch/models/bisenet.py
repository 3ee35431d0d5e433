"""BiSeNet (Yu et al., arXiv:1808.00897).

Originals: Fast_Seg, mmseg, MXNetSeg, PaddleSeg; what tells them apart stands in core/arch/families/bisenet.py.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ChannelGate, ConvNormAct, global_pool, resize, resize_nearest
from core.arch.families.bisenet import REFINED, BiSeNetSpec, ContextSpec
from core.arch.parts import ChannelGateSpec, NormSpec


class AttentionRefinement(nn.Module):
    """3x3 convolution, times its gate."""

    def __init__(self, channels: int, width: int, gate: ChannelGateSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(channels, width, 3, norm)
        self.gate = ChannelGate(width, gate, norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y * self.gate(y)


class ContextPath(nn.Module):
    """The backbone's deepest map and the one before it, refined and brought to the size of `spatial`."""

    def __init__(self, deep: int, shallow: int, spec: ContextSpec, norm: NormSpec) -> None:
        super().__init__()
        self.fusion, self.nearest, self.align_corners = spec.fusion, spec.resize == "nearest", spec.align_corners
        self.globe = ConvNormAct(deep, spec.width, 1, norm)
        self.arms = nn.ModuleList(
            [AttentionRefinement(channels, spec.width, spec.gate, norm) for channels in (deep, shallow)]
        )
        self.refines = nn.ModuleList([ConvNormAct(spec.width, spec.width, 3, norm) for _ in range(spec.refinements)])

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        size = like.shape[2:]
        return resize_nearest(x, size) if self.nearest else resize(x, size, self.align_corners)

    def forward(self, deep: Tensor, shallow: Tensor, spatial: Tensor) -> tuple[Tensor, ...]:
        """The maps after the convolutions that follow sums; the last is the context."""
        globe = self.globe(global_pool(deep))  # [N, C, 1, 1]
        if self.fusion == "sum":
            y = self._resize(self.arms[0](deep), spatial) + self._resize(self.arms[1](shallow), spatial)
            return (self.refines[0](y + globe),)
        y = self.refines[0](self._resize(self.arms[0](deep) + globe, shallow))
        return y, self.refines[1](self._resize(self.arms[1](shallow) + y, spatial))


class FeatureFusion(nn.Module):
    """1x1 convolution f of both paths' maps; f + f * gate."""

    def __init__(self, channels: int, width: int, gate: ChannelGateSpec, norm: NormSpec) -> None:
        super().__init__()
        self.conv = ConvNormAct(channels, width, 1, norm)
        self.gate = ChannelGate(width, gate, norm)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        y = self.conv(torch.cat([spatial, context], dim=1))
        return y + y * self.gate(y)


class BiSeNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/8, main head first."""

    def __init__(self, spec: BiSeNetSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.backbone.norm, spec.align_corners
        self.shallow, self.deep = spec.backbone.stages()[-2:]
        widths = [spec.backbone.in_channels, *spec.spatial_widths]
        self.spatial = nn.Sequential(
            *[
                ConvNormAct(channels, width, kernel, norm, stride=stride)
                for (channels, width), kernel, stride in zip(
                    pairwise(widths), spec.spatial_kernels, spec.spatial_strides
                )
            ]
        )
        deep, shallow = (spec.backbone.channels(stage) for stage in (self.deep, self.shallow))
        self.context = ContextPath(deep, shallow, spec.context, norm)
        self.fusion = FeatureFusion(widths[-1] + spec.context.width, spec.fusion_width, spec.fusion_gate, norm)
        self.head = FCNHead(spec.fusion_width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        spatial = self.spatial(features["picture"])  # 1/8
        refined = self.context(features[self.deep], features[self.shallow], spatial)
        features.update(zip(REFINED, refined))
        return self.head(self.fusion(spatial, refined[-1]))
