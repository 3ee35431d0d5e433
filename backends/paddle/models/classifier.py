"""Image classification on a backbone; numbers in core/arch/families/classifier.py."""

from __future__ import annotations

from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.layers import dropout, global_pool
from core.arch.families.classifier import ClassifierSpec


class Head(nn.Layer):
    """Global mean - dropout - fully connected layer."""

    def __init__(self, channels: int, spec: ClassifierSpec) -> None:
        super().__init__()
        self.dropout = dropout(spec.dropout)
        self.classifier = nn.Linear(channels, spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(global_pool(x)).flatten(1)  # [N, C]
        return self.classifier(x).unsqueeze([2, 3])


class Classifier(EncoderDecoder):
    """[N, 3, H, W] -> logits of the whole picture [N, K, 1, 1]."""

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__(spec)
        self.deepest = spec.backbone.deepest
        self.head = Head(spec.backbone.channels(self.deepest), spec)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(features[self.deepest])
