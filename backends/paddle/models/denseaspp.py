"""DenseASPP (Yang et al., CVPR 2018). Original: MXNetSeg, which normalises after the convolutions."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, dropout
from core.arch.families.denseaspp import DenseASPPBlockSpec, DenseASPPSpec
from core.arch.parts import NormSpec


class DenseASPPBlock(nn.Layer):
    """Dilated convolutions, each of the map and all results before it; all of them projected."""

    def __init__(self, channels: int, spec: DenseASPPBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.transitions, self.dilated = nn.LayerList(), nn.LayerList()
        seen = channels
        for i, rate in enumerate(spec.rates):
            if i > 0:
                self.transitions.append(ConvNormAct(seen, spec.inner, 1, norm))
            self.dilated.append(ConvNormAct(spec.inner if i > 0 else channels, spec.width, 3, norm, dilation=rate))
            seen += spec.width
        self.project = ConvNormAct(seen, spec.out_width, 1, norm)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i, dilated in enumerate(self.dilated):
            y = paddle.concat([y, dilated(self.transitions[i - 1](y) if i > 0 else y)], axis=1)
        return self.dropout(self.project(y))


class DenseASPP(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: DenseASPPSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.head_norm, spec.align_corners
        self.deepest = spec.backbone.deepest
        self.dense_aspp = DenseASPPBlock(spec.backbone.channels(self.deepest), spec.dense_aspp, norm)
        self.head = FCNHead(spec.dense_aspp.out_width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.dense_aspp(features[self.deepest]))
