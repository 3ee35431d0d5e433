"""GALD-Net (Li et al., arXiv:1909.07229).

Original: lxtGH/GALD-DGCNet. Its attention has one scalar a group, the sum of phi * g over channels and places, without
scaling; the group norm after it undoes all but the scalar's sign. The local mask is the sigmoid of maps after ReLU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, GroupNorm, resize
from core.arch.families.galdnet import GALDBlockSpec, GALDNetSpec
from core.arch.parts import NormSpec


class CompactAttention(nn.Module):
    """Compact generalised non-local attention in groups (Yue et al., arXiv:1810.13125), linear kernel."""

    def __init__(self, spec: GALDBlockSpec) -> None:
        super().__init__()
        self.groups = spec.groups
        self.theta = nn.Conv2d(spec.width, spec.inner, 1, bias=False)
        self.phi = nn.Conv2d(spec.width, spec.inner, 1, bias=False)
        self.g = nn.Conv2d(spec.width, spec.inner, 1, bias=False)
        self.out = nn.Conv2d(spec.inner, spec.width, 1, groups=spec.groups, bias=False)
        self.norm = GroupNorm(spec.width, spec.norm)

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).unflatten(1, (self.groups, -1))  # [N, G, C / G, H, W]
        product = (self.phi(x) * self.g(x)).unflatten(1, (self.groups, -1))
        y = product.sum(dim=(2, 3, 4), keepdim=True) * theta
        return self.norm(self.out(y.flatten(1, 2))) + x


class GALDBlock(nn.Module):
    """Global aggregation on a halved map, local distribution by a mask: 2y + m * y."""

    def __init__(self, spec: GALDBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.align_corners, width = spec.align_corners, spec.width
        self.down = ConvNormAct(width, width, 3, norm, stride=2, padding=0, groups=width, bias=True)
        self.attention = CompactAttention(spec)
        self.local = nn.Sequential(
            *[
                ConvNormAct(width, width, 3, norm, stride=2, padding=0, groups=width, bias=True)
                for _ in range(spec.reductions)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        y = resize(self.attention(self.down(x)), x.shape[2:], self.align_corners)
        mask = torch.sigmoid(resize(self.local(y), x.shape[2:], self.align_corners))
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

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        y = self.refine(self.block(self.reduce(x)))
        return self.head(torch.cat([x, y], dim=1))
