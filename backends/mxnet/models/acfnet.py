"""ACFNet (Zhang et al., arXiv:1909.09408).

Original: MXNetSeg's. Where the paper mixes class centres, it mixes the raw coarse logits, and its softmax goes over
channels instead of classes.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, dropout
from core.arch.families.acfnet import ACFNetSpec


class ClassFeatures(HybridBlock):
    """The map [N, C, H, W] and coarse logits [N, K, H, W]: each channel becomes a mixture of the logits."""

    def __init__(self, spec: ACFNetSpec) -> None:
        super().__init__()
        self.reduce = ConvNormAct(spec.width, spec.width, 1, spec.backbone.norm)
        self.out = ConvNormAct(spec.width, spec.width, 1, spec.backbone.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor, coarse: Tensor) -> Tensor:
        features, logits = (F.reshape(y, (0, 0, -1)) for y in (self.reduce(x), coarse))  # [N, C, HW], [N, K, HW]
        weights = F.softmax(-F.batch_dot(logits, features, transpose_b=True), axis=-1)  # [N, K, C]
        return self.out(F.reshape_like(F.batch_dot(weights, logits, transpose_a=True), x))


class ACFNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride: main, coarse, auxiliary."""

    def __init__(self, spec: ACFNetSpec) -> None:
        super().__init__(spec)
        norm, corners, width = spec.backbone.norm, spec.align_corners, spec.width
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.branches = nn.HybridSequential()
        self.branches.add(ConvNormAct(channels, width, 1, norm))
        self.branches.add(*[ConvNormAct(channels, width, 3, norm, dilation=rate) for rate in spec.rates])
        self.project = ConvNormAct((len(spec.rates) + 1) * width, width, 1, norm)
        self.dropout = dropout(spec.dropout)
        self.coarse = FCNHead(width, spec.num_classes, spec.coarse, norm, align_corners=corners)
        self.classes = ClassFeatures(spec)
        self.head = FCNHead(2 * width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> tuple[Tensor, ...]:
        x = features[self.deepest]
        x = self.dropout(self.project(concat(F, *[branch(x) for branch in self.branches])))
        coarse = self.coarse(x)
        return self.head(concat(F, x, self.classes(x, coarse))), coarse
