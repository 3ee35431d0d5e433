"""GALD-Net (Li et al., arXiv:1909.07229).

Original: lxtGH/GALD-DGCNet. Its attention has one scalar a group, the sum of phi * g over channels and places, without
scaling; the group norm after it undoes all but the scalar's sign. The local mask is the sigmoid of maps after ReLU.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, GroupNorm, Tensor, concat, resize
from core.arch.families.galdnet import GALDBlockSpec, GALDNetSpec
from core.arch.parts import NormSpec


def _conv1x1(channels: int, width: int, groups: int = 1) -> nn.Conv2D:
    return nn.Conv2D(width, 1, groups=groups, use_bias=False, in_channels=channels)


class CompactAttention(HybridBlock):
    """Compact generalised non-local attention in groups (Yue et al., arXiv:1810.13125), linear kernel."""

    def __init__(self, spec: GALDBlockSpec) -> None:
        super().__init__()
        self.groups = spec.groups
        self.theta = _conv1x1(spec.width, spec.inner)
        self.phi = _conv1x1(spec.width, spec.inner)
        self.g = _conv1x1(spec.width, spec.inner)
        self.out = _conv1x1(spec.inner, spec.width, spec.groups)
        self.norm = GroupNorm(spec.width, spec.norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        theta = self.theta(x)
        in_groups = (0, -4, self.groups, -1, -2)  # [N, G, C / G, H, W]
        product = F.reshape(self.phi(x) * self.g(x), in_groups)
        y = F.broadcast_mul(F.reshape(theta, in_groups), F.sum(product, axis=(2, 3, 4), keepdims=True))
        return self.norm(self.out(F.reshape_like(y, theta))) + x


class GALDBlock(HybridBlock):
    """Global aggregation on a halved map, local distribution by a mask: 2y + m * y."""

    def __init__(self, spec: GALDBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.align_corners, width = spec.align_corners, spec.width
        self.down = ConvNormAct(width, width, 3, norm, stride=2, padding=0, groups=width, bias=True)
        self.attention = CompactAttention(spec)
        self.local = nn.HybridSequential()
        self.local.add(
            *[
                ConvNormAct(width, width, 3, norm, stride=2, padding=0, groups=width, bias=True)
                for _ in range(spec.reductions)
            ]
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = resize(F, self.attention(self.down(x)), x, self.align_corners)
        mask = F.sigmoid(resize(F, self.local(y), x, self.align_corners))
        return 2 * y + mask * y


class GALDNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: GALDNetSpec) -> None:
        super().__init__(spec)
        norm, corners, width = spec.backbone.norm, spec.align_corners, spec.block.width
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.reduce = ConvNormAct(channels, width, 3, norm)
        self.block = GALDBlock(spec.block, norm)
        self.refine = ConvNormAct(width, width, 3, norm)
        self.head = FCNHead(channels + width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        y = self.refine(self.block(self.reduce(x)))
        return self.head(concat(F, x, y))
