"""GloRe (Chen et al., arXiv:1811.12814).

Originals: SemSegPaddle, PaddleSeg; what tells them apart stands in core/arch/families/glore.py. The projection is
neither normalised by the number of places nor passed through a softmax; the same matrix leads back.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct
from core.arch.families.glore import GloReSpec, GloReUnitSpec


class GloReUnit(nn.Module):
    """Nodes from places, a graph convolution over nodes and over states, back to places; added to the input."""

    def __init__(self, spec: GloReUnitSpec) -> None:
        super().__init__()
        self.minus, self.relu_between = spec.residual == "minus", spec.relu == "between"
        self.reduce = nn.Conv2d(spec.width, spec.states, 1)
        self.project = nn.Conv2d(spec.width, spec.nodes, 1)
        self.nodes_conv = nn.Conv1d(spec.nodes, spec.nodes, 1)
        self.states_conv = nn.Conv1d(spec.states, spec.states, 1, bias=False)
        self.extend = ConvNormAct(spec.states, spec.width, 1, spec.norm, act="none")

    def reason(self, nodes: Tensor) -> Tensor:
        """[N, S, K] -> [N, S, K]."""
        mixed = self.nodes_conv(nodes.transpose(1, 2)).transpose(1, 2)
        mixed = mixed - nodes if self.minus else mixed + nodes
        if self.relu_between:
            return self.states_conv(F.relu(mixed))
        return F.relu(self.states_conv(mixed))

    def forward(self, x: Tensor) -> Tensor:
        states = self.reduce(x).flatten(2)  # [N, S, HW]
        projection = self.project(x).flatten(2)  # [N, K, HW]
        nodes = self.reason(states @ projection.transpose(1, 2))
        return x + self.extend((nodes @ projection).unflatten(2, x.shape[2:]))


class GloRe(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: GloReSpec) -> None:
        super().__init__(spec)
        norm, width, kernel = spec.backbone.norm, spec.unit.width, spec.connect_kernel
        self.deepest = spec.backbone.deepest
        self.connect = ConvNormAct(spec.backbone.channels(self.deepest), width, kernel, norm, padding=0)
        self.unit = GloReUnit(spec.unit)
        self.head = FCNHead(width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.unit(self.connect(features[self.deepest])))
