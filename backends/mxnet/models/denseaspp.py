"""DenseASPP (Yang et al., CVPR 2018). Original: MXNetSeg, which normalises after the convolutions."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, dropout
from core.arch.families.denseaspp import DenseASPPBlockSpec, DenseASPPSpec
from core.arch.parts import NormSpec


class DenseASPPBlock(HybridBlock):
    """Dilated convolutions, each of the map and all results before it; all of them projected."""

    def __init__(self, channels: int, spec: DenseASPPBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.transitions, self.dilated = nn.HybridSequential(), nn.HybridSequential()
        seen = channels
        for i, rate in enumerate(spec.rates):
            if i > 0:
                self.transitions.add(ConvNormAct(seen, spec.inner, 1, norm))
            self.dilated.add(ConvNormAct(spec.inner if i > 0 else channels, spec.width, 3, norm, dilation=rate))
            seen += spec.width
        self.project = ConvNormAct(seen, spec.out_width, 1, norm)
        self.dropout = dropout(spec.dropout)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = x
        for i, dilated in enumerate(self.dilated):
            y = concat(F, y, dilated(self.transitions[i - 1](y) if i > 0 else y))
        return self.dropout(self.project(y))


class DenseASPP(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: DenseASPPSpec) -> None:
        super().__init__(spec)
        norm, corners = spec.head_norm, spec.align_corners
        self.deepest = spec.backbone.deepest
        self.dense_aspp = DenseASPPBlock(spec.backbone.channels(self.deepest), spec.dense_aspp, norm)
        self.head = FCNHead(spec.dense_aspp.out_width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.dense_aspp(features[self.deepest]))
