"""AttaNet (Song et al., arXiv:2103.05930), as MXNetSeg has it; numbers in core/arch/families/attanet.py."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, global_pool, resize
from core.arch.families.attanet import AttaNetSpec


class AttentionFusion(nn.Layer):
    """Two stages, weighted against each other channel by channel."""

    def __init__(self, shallow: int, deep: int, spec: AttaNetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.align_corners = spec.align_corners
        self.deep = ConvNormAct(deep, width, 3, norm)
        self.shallow = ConvNormAct(shallow, width, 3, norm)
        self.mix = ConvNormAct(deep + width, width, 1, norm)
        self.weight = ConvNormAct(width, width, 1, norm, act="sigmoid")

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        low = self.shallow(shallow)
        mixed = self.mix(paddle.concat([resize(deep, low.shape[2:], self.align_corners), low], axis=1))
        weight = self.weight(global_pool(mixed))  # [N, C, 1, 1]
        return resize(self.deep(deep) * weight, low.shape[2:], self.align_corners) + low * (1 - weight)


class StripAttention(nn.Layer):
    """Attention of all places to the means of the columns, plus the input."""

    def __init__(self, spec: AttaNetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.query = ConvNormAct(width, spec.inner, 1, norm)
        self.key = ConvNormAct(width, spec.inner, 1, norm)
        self.value = ConvNormAct(width, width, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2).transpose([0, 2, 1])  # [N, H * W, inner]
        key = self.key(x).mean(axis=2)  # [N, inner, W]
        value = self.value(x).mean(axis=2).transpose([0, 2, 1])  # [N, W, C]
        affinity = F.softmax(paddle.matmul(query, key), axis=2)  # [N, H * W, W]
        return paddle.matmul(affinity, value).transpose([0, 2, 1]).unflatten(2, x.shape[2:]) + x


class AttaNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/16, main head first."""

    def __init__(self, spec: AttaNetSpec) -> None:
        super().__init__(spec)
        norm, width = spec.backbone.norm, spec.width
        self.fused = spec.fused
        shallow, deep = (spec.backbone.channels(stage) for stage in self.fused)
        self.fusion = AttentionFusion(shallow, deep, spec)
        self.refine = ConvNormAct(width, width, 3, norm)
        self.attention = StripAttention(spec)
        self.head = FCNHead(width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        shallow, deep = self.fused
        x = self.refine(self.fusion(features[shallow], features[deep]))
        return self.head(self.attention(x))
