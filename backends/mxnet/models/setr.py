"""SETR: naive, PUP and MLA decoders (Zheng et al., arXiv:2012.15840).

Originals: MXNetSeg, mmseg, PaddleSeg; what tells them apart stands in core/arch/families/setr.py.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, enlarge
from core.arch.families.setr import SETRSpec


def _to_map(F: ModuleType, tokens: Tensor, like: Tensor) -> Tensor:
    """[N, h * w, C] -> [N, C, h, w] with the sides of `like`.

    The transposition comes last: a gradient in the layout of a float32 convolution cannot pass the other order.
    """
    return F.transpose(F.reshape_like(tokens, like, lhs_begin=1, lhs_end=2, rhs_begin=2, rhs_end=4), (0, 3, 1, 2))


class PUPHead(HybridBlock):
    """Progressive upsampling: 3x3 convolutions and x2 resizes in turn."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        width, corners = spec.width, spec.pup_align_corners
        self.upsamples, self.align_corners = spec.pup_upsamples, spec.align_corners if corners is None else corners
        self.convs = nn.HybridSequential()
        self.convs.add(
            *[ConvNormAct(width if i else spec.backbone.width, width, 3, spec.norm, bias=spec.bias) for i in range(4)]
        )
        if spec.pup_classifier == "normalised":
            self.classifier = ConvNormAct(width, spec.num_classes, 3, spec.norm)
        else:
            self.classifier = nn.Conv2D(spec.num_classes, 1, use_bias=True, in_channels=width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i < self.upsamples:
                x = enlarge(F, x, 2, self.align_corners)
        return self.classifier(x)


class MLAHead(HybridBlock):
    """Multi-level aggregation: sums from the deepest level upwards, one stream of convolutions per level."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__()
        self.upsample, self.align_corners = spec.mla_upsample, spec.align_corners
        self.deepest_first = spec.mla_order == "deepest_first"
        channels, width, levels = spec.backbone.width, spec.width, spec.levels
        block = partial(ConvNormAct, norm=spec.norm, bias=spec.bias)
        self.lateral, self.neck, self.levels = (nn.HybridSequential() for _ in range(3))
        for _ in range(levels):
            self.lateral.add(block(channels, width, 1))
            self.neck.add(block(width, width, 3))
            level = nn.HybridSequential()
            level.add(block(width, width // 2, 3), block(width // 2, width // 2, 3))
            self.levels.add(level)
        kernel = spec.mla_kernel
        self.classifier = nn.Conv2D(
            spec.num_classes, kernel, padding=kernel // 2, use_bias=True, in_channels=width // 2 * levels
        )

    def aggregate(self, features: list[Tensor]) -> list[Tensor]:
        """The neck's maps [N, width, h, w], deepest first."""
        deepest_first = features[::-1]
        total, sums = 0, []
        for lateral, feature in zip(self.lateral, deepest_first):
            total = total + lateral(feature)
            sums.append(total)
        return [conv(x) for conv, x in zip(self.neck, sums)]

    def hybrid_forward(self, F: ModuleType, *neck: Tensor) -> Tensor:
        maps = [enlarge(F, level(x), self.upsample, self.align_corners) for level, x in zip(self.levels, neck)]
        maps = maps if self.deepest_first else maps[::-1]
        return self.classifier(concat(F, *maps))


class SETR(EncoderDecoder):
    """[N, 3, H, W] -> logits, main head first."""

    def __init__(self, spec: SETRSpec) -> None:
        super().__init__(spec)
        self.decoder, self.taps, self.main_norm = spec.decoder, spec.backbone.stages(), spec.main_norm
        channels = spec.backbone.width
        count = spec.levels + spec.main_norm
        self.norms = nn.HybridSequential()
        self.norms.add(
            *[nn.LayerNorm(axis=-1, epsilon=spec.backbone.norm_eps, in_channels=channels) for _ in range(count)]
        )
        if spec.decoder == "naive":
            self.head: HybridBlock = FCNHead(
                channels, spec.num_classes, spec.head, spec.norm, align_corners=spec.align_corners
            )
        else:
            self.head = PUPHead(spec) if spec.decoder == "pup" else MLAHead(spec)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        """Puts the normalised maps [N, C, h, w] in the tokens' place; `mla` adds its neck's, deepest first."""
        patches, deepest = features["patches"], features[self.taps[-1]]
        for tap, norm in zip(self.taps, self.norms):
            features[tap] = _to_map(F, norm(features[tap]), patches)
        if self.decoder != "mla":
            main = _to_map(F, self.norms[-1](deepest), patches) if self.main_norm else features[self.taps[-1]]
            return self.head(main)
        neck = self.head.aggregate([features[tap] for tap in self.taps])
        for i, feature in enumerate(neck):
            features["neck" + str(i)] = feature
        return self.head(*neck)
