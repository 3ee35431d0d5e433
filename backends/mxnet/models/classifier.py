"""Image classification on a backbone; numbers in core/arch/families/classifier.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.layers import Tensor, dropout, global_pool
from core.arch.families.classifier import ClassifierSpec


class Head(HybridBlock):
    """Global mean - dropout - fully connected layer."""

    def __init__(self, channels: int, spec: ClassifierSpec) -> None:
        super().__init__()
        self.dropout = dropout(spec.dropout)
        self.classifier = nn.Dense(spec.num_classes, use_bias=True, in_units=channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = F.flatten(self.dropout(global_pool(F, x)))  # [N, C]
        return F.reshape(self.classifier(x), (0, 0, 1, 1))


class Classifier(EncoderDecoder):
    """[N, 3, H, W] -> logits of the whole picture [N, K, 1, 1]."""

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__(spec)
        self.deepest = spec.backbone.deepest
        self.head = Head(spec.backbone.channels(self.deepest), spec)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        return self.head(features[self.deepest])
