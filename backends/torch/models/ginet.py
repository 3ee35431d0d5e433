"""GINet (Wu et al., arXiv:2009.06160).

Original: PaddleSeg. The projection onto the nodes is divided by the number of places, the one back is not; nodes and
words are compared without scaling, and a softmax over the words says which of them a node takes up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import BatchNorm, ConvNormAct, SeparableConv, resize
from core.arch.families.ginet import GINetSpec, InteractionSpec, JPUSpec, WordsSpec
from core.arch.parts import NormSpec


class JPU(nn.Module):
    """{stage: map} -> [N, dilations * width, h, w], of the sides of the finest stage joined."""

    def __init__(self, spec: GINetSpec, jpu: JPUSpec) -> None:
        super().__init__()
        norm, self.align_corners = spec.backbone.norm, spec.align_corners
        self.stages, self.finest = jpu.stages(spec.backbone), jpu.finest(spec.backbone)
        self.lateral = nn.ModuleList(
            [ConvNormAct(spec.backbone.channels(stage), jpu.width, 3, norm) for stage in self.stages]
        )
        joined = len(self.stages) * jpu.width
        self.branches = nn.ModuleList(
            [SeparableConv(joined, jpu.width, 3, norm, separation="norm", dilation=d) for d in jpu.dilations]
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        maps = [lateral(features[stage]) for stage, lateral in zip(self.stages, self.lateral)]
        size = maps[self.finest].shape[2:]
        x = torch.cat([resize(y, size, self.align_corners) for y in maps], dim=1)
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class WordLayer(nn.Module):
    """Linear - batch norm over the classes - ReLU, of [C, features]."""

    def __init__(self, features: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.linear = nn.Linear(features, width)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.linear(x).unsqueeze(2)).squeeze(2))


class Words(nn.Module):
    """The features of the classes, the same for every picture of the map `x`: [N, states, C]."""

    def __init__(self, spec: WordsSpec, width: int, num_classes: int, norm: NormSpec) -> None:
        super().__init__()
        self.register_buffer("embedding", torch.zeros(num_classes, spec.features))
        self.layers = nn.Sequential(WordLayer(spec.features, spec.hidden, norm), WordLayer(spec.hidden, width, norm))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.embedding).t().unsqueeze(0).expand(x.shape[0], -1, -1)


class GraphConv(nn.Module):
    """Graph convolution of [N, states, K]: over the nodes with a shortcut, then over the states."""

    def __init__(self, nodes: int, states: int) -> None:
        super().__init__()
        self.nodes = nn.Conv1d(nodes, nodes, 1)
        self.states = nn.Conv1d(states, states, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.nodes(x.transpose(1, 2)).transpose(1, 2)
        return self.states(F.relu(mixed + x))


class Transfer(nn.Module):
    """What the nodes [N, states, K] take up of the words [N, states, C], weighted by `gamma` for each node."""

    def __init__(self, spec: InteractionSpec) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(spec.nodes))
        self.query = nn.Conv1d(spec.states, spec.inner, 1)
        self.key = nn.Conv1d(spec.states, spec.inner, 1)
        self.value = nn.Conv1d(spec.states, spec.states, 1)

    def forward(self, nodes: Tensor, words: Tensor) -> Tensor:
        attention = torch.softmax(self.query(words).transpose(1, 2) @ self.key(nodes), dim=1)  # [N, C, K]
        return self.gamma * (self.value(words) @ attention) + nodes


class Interaction(nn.Module):
    """The graph interaction unit: x + (nodes of x, with what they take up of the words, back at the places)."""

    def __init__(self, spec: InteractionSpec, width: int, num_classes: int, norm: NormSpec) -> None:
        super().__init__()
        self.assign = nn.Conv2d(width, spec.nodes, 1)
        self.project = nn.Conv2d(width, spec.states, 1)
        self.places = GraphConv(spec.nodes, spec.states)
        self.words = GraphConv(num_classes, spec.states)
        self.transfer = Transfer(spec)
        self.out = ConvNormAct(spec.states, width, 1, norm, act="none")

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        assignment = self.assign(x).flatten(2)  # [N, K, HW]
        states = self.project(x).flatten(2)  # [N, S, HW]
        nodes = states @ assignment.transpose(1, 2) / states.shape[2]  # [N, S, K]
        nodes = self.transfer(self.places(nodes), self.words(words))
        return x + self.out((nodes @ assignment).unflatten(2, x.shape[2:]))


class GINet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the stride of the backbone's (or the JPU's) map, main head first."""

    def __init__(self, spec: GINetSpec) -> None:
        super().__init__(spec)
        norm, width, classes = spec.backbone.norm, spec.width, spec.num_classes
        self.deepest, self.joins = spec.backbone.deepest, spec.jpu is not None
        if spec.jpu is not None:
            self.jpu = JPU(spec, spec.jpu)
        self.words = Words(spec.words, spec.interaction.states, classes, norm)
        self.reduce = ConvNormAct(spec.reduced_channels, width, 3, norm)
        self.interaction = Interaction(spec.interaction, width, classes, norm)
        self.head = FCNHead(width, classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = self.jpu(features) if self.joins else features[self.deepest]
        x = self.reduce(x)
        return self.head(self.interaction(x, self.words(x)))
