"""AttaNet (Song et al., arXiv:2103.05930), as MXNetSeg has it; numbers in core/arch/families/attanet.py."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor, concat, global_pool, resize
from core.arch.families.attanet import AttaNetSpec


class AttentionFusion(HybridBlock):
    """Two stages, weighted against each other channel by channel."""

    def __init__(self, shallow: int, deep: int, spec: AttaNetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.align_corners = spec.align_corners
        self.deep = ConvNormAct(deep, width, 3, norm)
        self.shallow = ConvNormAct(shallow, width, 3, norm)
        self.mix = ConvNormAct(deep + width, width, 1, norm)
        self.weight = ConvNormAct(width, width, 1, norm, act="sigmoid")

    def hybrid_forward(self, F: ModuleType, shallow: Tensor, deep: Tensor) -> Tensor:
        low = self.shallow(shallow)
        mixed = self.mix(concat(F, resize(F, deep, low, self.align_corners), low))
        weight = self.weight(global_pool(F, mixed))  # [N, C, 1, 1]
        high = resize(F, F.broadcast_mul(self.deep(deep), weight), low, self.align_corners)
        return high + F.broadcast_mul(low, 1 - weight)


class StripAttention(HybridBlock):
    """Attention of all places to the means of the columns, plus the input."""

    def __init__(self, spec: AttaNetSpec) -> None:
        super().__init__()
        width, norm = spec.width, spec.backbone.norm
        self.query = ConvNormAct(width, spec.inner, 1, norm)
        self.key = ConvNormAct(width, spec.inner, 1, norm)
        self.value = ConvNormAct(width, width, 1, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        query = F.reshape(self.query(x), (0, 0, -1))  # [N, inner, H * W]
        key = F.mean(self.key(x), axis=2)  # [N, inner, W]
        value = F.mean(self.value(x), axis=2)  # [N, C, W]
        affinity = F.softmax(F.batch_dot(query, key, transpose_a=True), axis=2)  # [N, H * W, W]
        return F.reshape_like(F.batch_dot(value, affinity, transpose_b=True), x) + x


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

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        shallow, deep = self.fused
        x = self.refine(self.fusion(features[shallow], features[deep]))
        return self.head(self.attention(x))
