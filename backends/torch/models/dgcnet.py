"""DGCNet, also DualSeg (Zhang et al., arXiv:1909.06121).

Original: GALD-Net's DualGCNNet. Its coordinate branch has no activation between the strided convolutions, its attention
is a softmax over a channel by channel matrix without scaling, and its auxiliary head has no ReLU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNorm1d, ConvNormAct, resize
from core.arch.families.dgcnet import DGCNetSpec, DualGCNSpec


class CoordinateGCN(nn.Module):
    """Graph convolution over places, on a reduced map; the result gates the input: x * local + x."""

    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        width, inner, norm = spec.width, spec.inner, spec.norm
        self.reduce = nn.Sequential(
            *[ConvNormAct(width, width, 3, norm, stride=2, groups=width, act="none") for _ in range(spec.reductions)]
        )
        self.key = nn.Conv2d(width, inner, 1)
        self.value = nn.Conv2d(width, inner, 1)
        self.query = nn.Conv2d(width, inner, 1)
        self.weight = ConvNorm1d(inner, inner, norm)
        self.out = ConvNormAct(inner, width, 1, norm, bias=True, act="none")

    def forward(self, x: Tensor) -> Tensor:
        local = self.reduce(x)  # [N, C, h, w]
        key, value, query = (node(local).flatten(2) for node in (self.key, self.value, self.query))  # [N, C/2, hw]
        affinity = torch.softmax(query @ value.transpose(1, 2), dim=-1)  # [N, C/2, C/2]
        nodes = affinity.transpose(1, 2) @ key  # [N, C/2, hw]
        nodes = self.weight(nodes).unflatten(2, local.shape[2:])
        local = F.relu(self.out(nodes) + local)
        return x * resize(local, x.shape[2:], align_corners=True) + x


class FeatureGCN(nn.Module):
    """Graph convolution over `nodes` into which places are projected: relu(x + reprojected)."""

    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        width, inner, nodes, norm = spec.width, spec.inner, spec.nodes, spec.norm
        self.project = ConvNormAct(width, inner, 1, norm, act="none")
        self.assign = ConvNormAct(width, nodes, 1, norm, act="none")
        self.adjacency = ConvNorm1d(nodes, nodes, norm)
        self.weight = ConvNorm1d(inner, inner, norm)
        self.out = ConvNormAct(inner, width, 1, norm, act="none")

    def forward(self, x: Tensor) -> Tensor:
        features = self.project(x).flatten(2)  # [N, C/2, HW]
        assignment = self.assign(x).flatten(2)  # [N, K, HW]
        nodes = features @ assignment.transpose(1, 2)  # [N, C/2, K]
        nodes = self.adjacency(nodes.transpose(1, 2)).transpose(1, 2) + nodes
        y = self.weight(nodes) @ assignment  # [N, C/2, HW]
        return F.relu(x + self.out(y.unflatten(2, x.shape[2:])))


class DualGCN(nn.Module):
    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        self.coordinate = CoordinateGCN(spec)
        self.feature = FeatureGCN(spec)
        self.merge = ConvNormAct(2 * spec.width, spec.width, 1, spec.norm, act="none")

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([self.coordinate(x), self.feature(x)], dim=1))


class DGCNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: DGCNetSpec) -> None:
        super().__init__(spec)
        norm, corners, width = spec.backbone.norm, spec.align_corners, spec.dual.width
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.reduce = ConvNormAct(channels, width, 3, norm)
        self.dual = DualGCN(spec.dual)
        self.refine = ConvNormAct(width, width, 3, norm)
        self.head = FCNHead(channels + width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        graph = self.refine(self.dual(self.reduce(x)))
        return self.head(torch.cat([x, graph], dim=1))
