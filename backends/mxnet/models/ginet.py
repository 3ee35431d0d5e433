"""GINet (Wu et al., arXiv:2009.06160).

Original: PaddleSeg. The projection onto the nodes is divided by the number of places, the one back is not; nodes and
words are compared without scaling, and a softmax over the words says which of them a node takes up.
"""

from __future__ import annotations

from types import ModuleType

from mxnet import init
from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import BatchNorm, ConvNormAct, SeparableConv, Tensor, concat, resize
from core.arch.families.ginet import GINetSpec, InteractionSpec, JPUSpec, WordsSpec
from core.arch.parts import NormSpec


class JPU(HybridBlock):
    """Maps of the stages, deepest first -> [N, dilations * width, h, w], of the sides of the finest."""

    def __init__(self, spec: GINetSpec, jpu: JPUSpec) -> None:
        super().__init__()
        norm, self.align_corners = spec.backbone.norm, spec.align_corners
        self.stages, self.finest = jpu.stages(spec.backbone), jpu.finest(spec.backbone)
        self.lateral = nn.HybridSequential()
        self.lateral.add(*[ConvNormAct(spec.backbone.channels(stage), jpu.width, 3, norm) for stage in self.stages])
        joined = len(self.stages) * jpu.width
        self.branches = nn.HybridSequential()
        self.branches.add(
            *[SeparableConv(joined, jpu.width, 3, norm, separation="norm", dilation=d) for d in jpu.dilations]
        )

    def hybrid_forward(self, F: ModuleType, *features: Tensor) -> Tensor:
        maps = [lateral(x) for x, lateral in zip(features, self.lateral)]
        x = concat(F, *(resize(F, y, maps[self.finest], self.align_corners) for y in maps))
        return concat(F, *(branch(x) for branch in self.branches))


class WordLayer(HybridBlock):
    """Linear - batch norm over the classes - ReLU, of [C, features]."""

    def __init__(self, features: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.linear = nn.Dense(width, in_units=features)
        self.bn = BatchNorm(width, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = F.reshape(self.linear(x), (0, 0, 1, 1))  # four axes: MXNet's float32 batch norm fails on some of fewer
        return F.relu(F.reshape(self.bn(y), (0, 0)))


class Words(HybridBlock):
    """The features of the classes, the same for every picture of the map `x`: [N, states, C]."""

    def __init__(self, spec: WordsSpec, width: int, num_classes: int, norm: NormSpec) -> None:
        super().__init__()
        self.embedding = self.params.get(
            "embedding", shape=(num_classes, spec.features), init=init.Zero(), grad_req="null"
        )
        self.layers = nn.HybridSequential()
        self.layers.add(WordLayer(spec.features, spec.hidden, norm), WordLayer(spec.hidden, width, norm))

    def hybrid_forward(self, F: ModuleType, x: Tensor, embedding: Tensor) -> Tensor:
        words = F.expand_dims(F.transpose(self.layers(embedding)), axis=0)
        return F.broadcast_like(words, x, lhs_axes=(0,), rhs_axes=(0,))


class GraphConv(HybridBlock):
    """Graph convolution of [N, states, K]: over the nodes with a shortcut, then over the states."""

    def __init__(self, nodes: int, states: int) -> None:
        super().__init__()
        self.nodes = nn.Conv1D(nodes, 1, use_bias=True, in_channels=nodes)
        self.states = nn.Conv1D(states, 1, use_bias=False, in_channels=states)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        mixed = F.transpose(self.nodes(F.transpose(x, (0, 2, 1))), (0, 2, 1))
        return self.states(F.relu(mixed + x))


class Transfer(HybridBlock):
    """What the nodes [N, states, K] take up of the words [N, states, C], weighted by `gamma` for each node."""

    def __init__(self, spec: InteractionSpec) -> None:
        super().__init__()
        self.gamma = self.params.get("gamma", shape=(spec.nodes,), init=init.Zero())
        self.query = nn.Conv1D(spec.inner, 1, use_bias=True, in_channels=spec.states)
        self.key = nn.Conv1D(spec.inner, 1, use_bias=True, in_channels=spec.states)
        self.value = nn.Conv1D(spec.states, 1, use_bias=True, in_channels=spec.states)

    def hybrid_forward(self, F: ModuleType, nodes: Tensor, words: Tensor, gamma: Tensor) -> Tensor:
        attention = F.softmax(F.batch_dot(self.query(words), self.key(nodes), transpose_a=True), axis=1)  # [N, C, K]
        taken = F.batch_dot(self.value(words), attention)  # [N, S, K]
        return F.broadcast_mul(taken, F.reshape(gamma, (1, 1, -1))) + nodes


class Interaction(HybridBlock):
    """The graph interaction unit: x + (nodes of x, with what they take up of the words, back at the places)."""

    def __init__(self, spec: InteractionSpec, width: int, num_classes: int, norm: NormSpec) -> None:
        super().__init__()
        self.assign = nn.Conv2D(spec.nodes, 1, use_bias=True, in_channels=width)
        self.project = nn.Conv2D(spec.states, 1, use_bias=True, in_channels=width)
        self.places = GraphConv(spec.nodes, spec.states)
        self.words = GraphConv(num_classes, spec.states)
        self.transfer = Transfer(spec)
        self.out = ConvNormAct(spec.states, width, 1, norm, act="none")

    def hybrid_forward(self, F: ModuleType, x: Tensor, words: Tensor) -> Tensor:
        assignment = F.reshape(self.assign(x), (0, 0, -1))  # [N, K, HW]
        states = F.reshape(self.project(x), (0, 0, -1))  # [N, S, HW]
        places = F.ones_like(F.slice_axis(states, axis=1, begin=0, end=1))  # [N, 1, HW]
        nodes = F.batch_dot(states, assignment, transpose_b=True)  # [N, S, K]
        nodes = F.broadcast_div(nodes, F.sum(places, axis=2, keepdims=True))
        nodes = self.transfer(self.places(nodes), self.words(words))
        y = F.batch_dot(nodes, assignment)  # [N, S, HW]
        return x + self.out(F.reshape_like(y, x, lhs_begin=2, lhs_end=3, rhs_begin=2, rhs_end=4))


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

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        x = features[self.deepest]
        if self.joins:
            x = self.jpu(*(features[stage] for stage in self.jpu.stages))
        x = self.reduce(x)
        return self.head(self.interaction(x, self.words(x)))
