"""DGCNet, also DualSeg (Zhang et al., arXiv:1909.06121).

Original: GALD-Net's DualGCNNet. Its coordinate branch has no activation between the strided convolutions, its attention
is a softmax over a channel by channel matrix without scaling, and its auxiliary head has no ReLU.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNorm1d, ConvNormAct, Tensor, concat, resize
from core.arch.families.dgcnet import DGCNetSpec, DualGCNSpec


def _flatten(F: ModuleType, x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, HW]."""
    return F.reshape(x, (0, 0, -1))


def _unflatten(F: ModuleType, x: Tensor, like: Tensor) -> Tensor:
    """[N, C, HW] -> [N, C, H, W] with the sides of `like`."""
    return F.reshape_like(x, like, lhs_begin=2, lhs_end=3, rhs_begin=2, rhs_end=4)


class CoordinateGCN(HybridBlock):
    """Graph convolution over places, on a reduced map; the result gates the input: x * local + x."""

    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        width, inner, norm = spec.width, spec.inner, spec.norm
        self.reduce = nn.HybridSequential()
        self.reduce.add(
            *[ConvNormAct(width, width, 3, norm, stride=2, groups=width, act="none") for _ in range(spec.reductions)]
        )
        self.key = nn.Conv2D(inner, 1, use_bias=True, in_channels=width)
        self.value = nn.Conv2D(inner, 1, use_bias=True, in_channels=width)
        self.query = nn.Conv2D(inner, 1, use_bias=True, in_channels=width)
        self.weight = ConvNorm1d(inner, inner, norm)
        self.out = ConvNormAct(inner, width, 1, norm, bias=True, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        local = self.reduce(x)  # [N, C, h, w]
        key, value, query = (_flatten(F, node(local)) for node in (self.key, self.value, self.query))  # [N, C/2, hw]
        affinity = F.softmax(F.batch_dot(query, value, transpose_b=True), axis=-1)  # [N, C/2, C/2]
        nodes = F.batch_dot(affinity, key, transpose_a=True)  # [N, C/2, hw]
        nodes = _unflatten(F, self.weight(nodes), local)
        local = F.relu(self.out(nodes) + local)
        return x * resize(F, local, x, align_corners=True) + x


class FeatureGCN(HybridBlock):
    """Graph convolution over `nodes` into which places are projected: relu(x + reprojected)."""

    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        width, inner, nodes, norm = spec.width, spec.inner, spec.nodes, spec.norm
        self.project = ConvNormAct(width, inner, 1, norm, act="none")
        self.assign = ConvNormAct(width, nodes, 1, norm, act="none")
        self.adjacency = ConvNorm1d(nodes, nodes, norm)
        self.weight = ConvNorm1d(inner, inner, norm)
        self.out = ConvNormAct(inner, width, 1, norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        features = _flatten(F, self.project(x))  # [N, C/2, HW]
        assignment = _flatten(F, self.assign(x))  # [N, K, HW]
        nodes = F.batch_dot(features, assignment, transpose_b=True)  # [N, C/2, K]
        mixed = self.adjacency(F.transpose(nodes, (0, 2, 1)))  # [N, K, C/2]
        nodes = F.transpose(mixed, (0, 2, 1)) + nodes
        y = F.batch_dot(self.weight(nodes), assignment)  # [N, C/2, HW]
        return F.relu(x + self.out(_unflatten(F, y, x)))


class DualGCN(HybridBlock):
    def __init__(self, spec: DualGCNSpec) -> None:
        super().__init__()
        self.coordinate = CoordinateGCN(spec)
        self.feature = FeatureGCN(spec)
        self.merge = ConvNormAct(2 * spec.width, spec.width, 1, spec.norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.merge(concat(F, self.coordinate(x), self.feature(x)))


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

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        graph = self.refine(self.dual(self.reduce(x)))
        return self.head(concat(F, x, graph))
