"""SETR: naive, PUP and MLA decoders (Zheng et al., arXiv:2012.15840).

Originals: MXNetSeg, mmseg; what tells them apart stands in core/arch/families/setr.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, enlarge
from core.arch.families.setr import SETRSpec


class PUPHead(nn.Module):
    """Progressive upsampling: 3x3 convolutions and x2 resizes in turn."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        self.upsamples, self.align_corners = spec.pup_upsamples, spec.align_corners
        width = spec.width
        self.convs = nn.ModuleList(
            ConvNormAct(width if i else spec.backbone.width, width, 3, spec.norm) for i in range(4)
        )
        if spec.pup_classifier == "normalised":
            self.classifier: nn.Module = ConvNormAct(width, spec.num_classes, 3, spec.norm)
        else:
            self.classifier = nn.Conv2d(width, spec.num_classes, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < self.upsamples:
                x = enlarge(x, 2, self.align_corners)
        return self.classifier(x)


class MLAHead(nn.Module):
    """Multi-level aggregation: sums from the deepest level upwards, one stream of convolutions per level."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        self.upsample, self.align_corners = spec.mla_upsample, spec.align_corners
        channels, width, norm, levels = spec.backbone.width, spec.width, spec.norm, spec.levels
        self.lateral = nn.ModuleList(ConvNormAct(channels, width, 1, norm) for _ in range(levels))
        self.neck = nn.ModuleList(ConvNormAct(width, width, 3, norm) for _ in range(levels))
        self.levels = nn.ModuleList(
            nn.Sequential(ConvNormAct(width, width // 2, 3, norm), ConvNormAct(width // 2, width // 2, 3, norm))
            for _ in range(levels)
        )
        self.classifier = nn.Conv2d(width // 2 * levels, spec.num_classes, 1, bias=True)

    def aggregate(self, features: list[Tensor]) -> list[Tensor]:
        """The neck's maps [N, width, h, w], deepest first."""
        deepest_first = features[::-1]
        total, sums = 0, []
        for lateral, feature in zip(self.lateral, deepest_first):
            total = total + lateral(feature)
            sums.append(total)
        return [conv(x) for conv, x in zip(self.neck, sums)]

    def forward(self, neck: list[Tensor]) -> Tensor:
        maps = [enlarge(level(x), self.upsample, self.align_corners) for level, x in zip(self.levels, neck)]
        return self.classifier(torch.cat(maps, dim=1))


class SETR(EncoderDecoder):
    """[N, 3, H, W] -> logits, main head first."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__(spec)
        self.decoder, self.taps = spec.decoder, spec.backbone.stages()
        channels = spec.backbone.width
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps=spec.backbone.norm_eps) for _ in self.taps)
        if spec.decoder == "naive":
            self.head: nn.Module = FCNHead(
                channels, spec.num_classes, spec.head, spec.norm, align_corners=spec.align_corners
            )
        else:
            self.head = PUPHead(spec) if spec.decoder == "pup" else MLAHead(spec)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        """Puts the normalised maps [N, C, h, w] in the tokens' place; `mla` adds its neck's, deepest first."""
        for tap, norm in zip(self.taps, self.norms):
            features[tap] = norm(features[tap]).transpose(1, 2).unflatten(2, features["patches"].shape[2:])
        if self.decoder != "mla":
            return self.head(features[self.taps[-1]])
        neck = self.head.aggregate([features[tap] for tap in self.taps])
        for i, feature in enumerate(neck):
            features["neck" + str(i)] = feature
        return self.head(neck)
