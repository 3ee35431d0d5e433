"""GloRe (Chen et al., arXiv:1811.12814).

Originals: SemSegPaddle, PaddleSeg; what tells them apart stands in core/arch/families/glore.py. The projection is
neither normalised by the number of places nor passed through a softmax; the same matrix leads back.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, Tensor
from core.arch.families.glore import GloReSpec, GloReUnitSpec


class GloReUnit(HybridBlock):
    """Nodes from places, a graph convolution over nodes and over states, back to places; added to the input."""

    def __init__(self, spec: GloReUnitSpec) -> None:
        super().__init__()
        self.minus, self.relu_between = spec.residual == "minus", spec.relu == "between"
        self.reduce = nn.Conv2D(spec.states, 1, use_bias=True, in_channels=spec.width)
        self.project = nn.Conv2D(spec.nodes, 1, use_bias=True, in_channels=spec.width)
        self.nodes_conv = nn.Conv1D(spec.nodes, 1, use_bias=True, in_channels=spec.nodes)
        self.states_conv = nn.Conv1D(spec.states, 1, use_bias=False, in_channels=spec.states)
        self.extend = ConvNormAct(spec.states, spec.width, 1, spec.norm, act="none")

    def reason(self, F: ModuleType, nodes: Tensor) -> Tensor:
        """[N, S, K] -> [N, S, K]."""
        mixed = F.transpose(self.nodes_conv(F.transpose(nodes, (0, 2, 1))), (0, 2, 1))
        mixed = mixed - nodes if self.minus else mixed + nodes
        if self.relu_between:
            return self.states_conv(F.relu(mixed))
        return F.relu(self.states_conv(mixed))

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        states = F.reshape(self.reduce(x), (0, 0, -1))  # [N, S, HW]
        projection = F.reshape(self.project(x), (0, 0, -1))  # [N, K, HW]
        nodes = self.reason(F, F.batch_dot(states, projection, transpose_b=True))
        places = F.reshape_like(
            F.batch_dot(nodes, projection), x, lhs_begin=2, lhs_end=3, rhs_begin=2, rhs_end=4
        )  # [N, S, H, W]
        return x + self.extend(places)


class GloRe(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: GloReSpec) -> None:
        super().__init__(spec)
        norm, width, kernel = spec.backbone.norm, spec.unit.width, spec.connect_kernel
        self.deepest = spec.backbone.deepest
        self.connect = ConvNormAct(spec.backbone.channels(self.deepest), width, kernel, norm, padding=0)
        self.unit = GloReUnit(spec.unit)
        self.head = FCNHead(width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.unit(self.connect(features[self.deepest])))
