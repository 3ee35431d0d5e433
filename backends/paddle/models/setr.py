"""SETR: naive, PUP and MLA decoders (Zheng et al., arXiv:2012.15840).

Originals: MXNetSeg, mmseg, PaddleSeg; what tells them apart stands in core/arch/families/setr.py.
"""

from __future__ import annotations

from functools import partial

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, enlarge
from core.arch.families.setr import SETRSpec


def _to_map(tokens: Tensor, like: Tensor) -> Tensor:
    """[N, h * w, C] -> [N, C, h, w] with the sides of `like`."""
    return tokens.transpose([0, 2, 1]).unflatten(2, like.shape[2:])


class PUPHead(nn.Layer):
    """Progressive upsampling: 3x3 convolutions and x2 resizes in turn."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        width, corners = spec.width, spec.pup_align_corners
        self.upsamples, self.align_corners = spec.pup_upsamples, spec.align_corners if corners is None else corners
        self.convs = nn.LayerList(
            ConvNormAct(width if i else spec.backbone.width, width, 3, spec.norm, bias=spec.bias) for i in range(4)
        )
        if spec.pup_classifier == "normalised":
            self.classifier: nn.Layer = ConvNormAct(width, spec.num_classes, 3, spec.norm)
        else:
            self.classifier = nn.Conv2D(width, spec.num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < self.upsamples:
                x = enlarge(x, 2, self.align_corners)
        return self.classifier(x)


class MLAHead(nn.Layer):
    """Multi-level aggregation: sums from the deepest level upwards, one stream of convolutions per level."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        self.upsample, self.align_corners = spec.mla_upsample, spec.align_corners
        self.deepest_first = spec.mla_order == "deepest_first"
        channels, width, levels = spec.backbone.width, spec.width, spec.levels
        block = partial(ConvNormAct, norm=spec.norm, bias=spec.bias)
        self.lateral = nn.LayerList(block(channels, width, 1) for _ in range(levels))
        self.neck = nn.LayerList(block(width, width, 3) for _ in range(levels))
        self.levels = nn.LayerList(
            nn.Sequential(block(width, width // 2, 3), block(width // 2, width // 2, 3)) for _ in range(levels)
        )
        kernel = spec.mla_kernel
        self.classifier = nn.Conv2D(width // 2 * levels, spec.num_classes, kernel, padding=kernel // 2)

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
        maps = maps if self.deepest_first else maps[::-1]
        return self.classifier(paddle.concat(maps, axis=1))


class SETR(EncoderDecoder):
    """[N, 3, H, W] -> logits, main head first."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__(spec)
        self.decoder, self.taps, self.main_norm = spec.decoder, spec.backbone.stages(), spec.main_norm
        channels = spec.backbone.width
        count = spec.levels + spec.main_norm
        self.norms = nn.LayerList(nn.LayerNorm(channels, epsilon=spec.backbone.norm_eps) for _ in range(count))
        if spec.decoder == "naive":
            self.head: nn.Layer = FCNHead(
                channels, spec.num_classes, spec.head, spec.norm, align_corners=spec.align_corners
            )
        else:
            self.head = PUPHead(spec) if spec.decoder == "pup" else MLAHead(spec)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        """Puts the normalised maps [N, C, h, w] in the tokens' place; `mla` adds its neck's, deepest first."""
        patches, deepest = features["patches"], features[self.taps[-1]]
        for tap, norm in zip(self.taps, self.norms):
            features[tap] = _to_map(norm(features[tap]), patches)
        if self.decoder != "mla":
            return self.head(_to_map(self.norms[-1](deepest), patches) if self.main_norm else features[self.taps[-1]])
        neck = self.head.aggregate([features[tap] for tap in self.taps])
        for i, feature in enumerate(neck):
            features["neck" + str(i)] = feature
        return self.head(neck)
