"""GINet: graph interaction of places and of words for the classes (Wu et al., arXiv:2009.06160).

Original: PaddleSeg. It left two things out of the paper, which its published weights were trained with: the word table
is zeros and never learned, so that in a network trained from it the classes have no features to tell them apart and the
unit is a GloRe; and the graph of words, updated by the places, is computed and thrown away (`gamma_word` and
`value_conv_vis` are dropped when its weights are read). A table of real word vectors can be loaded, and is then used.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, separable_inventory
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "GINet: Graph Interaction Network for Scene Parsing, arXiv:2009.06160"


@dataclass(frozen=True)
class JPUSpec:
    """Joint pyramid upsampling (Wu et al., FastFCN, arXiv:1903.11816) of the backbone's last `levels` stages.

    Each stage is brought to `width` channels and to the sides of the one of the smallest stride; separable convolutions
    of the `dilations` look at all of them, and their outputs are concatenated.
    """

    width: int = 512
    levels: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8)

    def stages(self, backbone: BackboneSpec) -> tuple[str, ...]:
        """The stages that are joined, deepest first. Raises SpecError if there are too few."""
        stages = backbone.stages()
        if len(stages) < self.levels:
            raise SpecError(
                f"jpu.levels is {self.levels}, but backbone {backbone.family} has only the stages "
                f"{', '.join(stages)}; fewer levels, or `jpu: null` to take the last stage alone"
            )
        return stages[: -self.levels - 1 : -1]

    def finest(self, backbone: BackboneSpec) -> int:
        """Which of the joined stages has the smallest stride, the shallowest of several."""
        strides = [backbone.stride(stage) for stage in self.stages(backbone)]
        return len(strides) - 1 - strides[::-1].index(min(strides))

    @property
    def out_channels(self) -> int:
        return len(self.dilations) * self.width

    def inventory(self, out: Inventory, name: str, backbone: BackboneSpec) -> None:
        with out.scope(name):
            stages = self.stages(backbone)
            joined = len(stages) * self.width
            for i, stage in enumerate(stages):
                out.conv_norm_act(f"lateral.{i}", backbone.channels(stage), self.width, 3)
            for i in range(len(self.dilations)):
                separable_inventory(out, f"branches.{i}", joined, self.width, 3, separation="norm")


@dataclass(frozen=True)
class WordsSpec:
    """A table of `features` numbers for every class, fixed, and two linear layers after it.

    init: initialiser of the table; it is part of the weights.
    """

    features: int = 300
    hidden: int = 128
    init: str = "zeros"

    def inventory(self, out: Inventory, name: str, width: int, num_classes: int) -> None:
        with out.scope(name):
            out.add("embedding", (num_classes, self.features), "buffer", self.init)
            for i, (features, side) in enumerate(((self.features, self.hidden), (self.hidden, width))):
                out.linear(f"layers.{i}.linear", features, side)
                out.batch_norm(f"layers.{i}.bn", side, after=f"layers.{i}.linear")


@dataclass(frozen=True)
class InteractionSpec:
    """The graph interaction unit: `nodes` with `states` features each, into which the places are projected.

    `inner`: features by which nodes and words are compared.
    """

    nodes: int = 84
    states: int = 256
    inner: int = 128

    def inventory(self, out: Inventory, name: str, width: int, num_classes: int) -> None:
        with out.scope(name):
            out.conv("assign", width, self.nodes, 1, bias=True)
            out.conv("project", width, self.states, 1, bias=True)
            for graph, nodes in (("places", self.nodes), ("words", num_classes)):
                out.conv(f"{graph}.nodes", nodes, nodes, 1, bias=True, axes=1)
                out.conv(f"{graph}.states", self.states, self.states, 1, axes=1)
            with out.scope("transfer"):
                out.scale("gamma", (self.nodes,))
                out.conv("query", self.states, self.inner, 1, bias=True, axes=1)
                out.conv("key", self.states, self.inner, 1, bias=True, axes=1)
                out.conv("value", self.states, self.states, 1, bias=True, axes=1)
            out.conv_norm_act("out", self.states, width, 1)


@dataclass(frozen=True)
class GINetSpec(EncoderDecoderSpec):
    """Backbone - joint pyramid upsampling - 3x3 to `width` channels - graph interaction - classifier.

    Without `jpu` the 3x3 takes the backbone's last stage.
    """

    arch: ClassVar[str] = "ginet"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    jpu: JPUSpec | None = field(default_factory=JPUSpec)
    width: int = 512
    words: WordsSpec = field(default_factory=WordsSpec)
    interaction: InteractionSpec = field(default_factory=InteractionSpec)
    head: FCNHeadSpec = FCNHeadSpec(width=0)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise ValueError("ginet takes 2 classes or more: batch norm goes over their words")

    @property
    def reduced_channels(self) -> int:
        """Channels of the map that is brought to `width`."""
        return self.backbone.channels(self.backbone.deepest) if self.jpu is None else self.jpu.out_channels

    def decoder_inventory(self, out: Inventory) -> None:
        if self.jpu is not None:
            self.jpu.inventory(out, "jpu", self.backbone)
        self.words.inventory(out, "words", self.interaction.states, self.num_classes)
        out.conv_norm_act("reduce", self.reduced_channels, self.width, 3)
        self.interaction.inventory(out, "interaction", self.width, self.num_classes)
        self.head.inventory(out, "head", self.width, self.num_classes)

    def narrow(self) -> GINetSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            jpu=self.jpu and dataclasses.replace(self.jpu, width=8),
            width=16,
            words=dataclasses.replace(self.words, features=12, hidden=8),
            interaction=dataclasses.replace(self.interaction, nodes=6, states=8, inner=8),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _paddleseg(depth: int) -> GINetSpec:
    """Backbone ResNet_vd at output stride 8."""
    backbone = ResNetSpec(
        depth=depth,  # type: ignore[arg-type]
        stem_widths=(32, 32, 64),
        first_block="stage",
        average_downsample=True,
    )
    dropout = DropoutSpec(p=0.1)
    return GINetSpec(
        backbone=backbone,
        head=FCNHeadSpec(width=0, dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


def _tiny() -> GINetSpec:
    """With words that differ, as the paper has them."""
    spec = dataclasses.replace(GINetSpec(), backbone=resnet_tiny()).narrow()
    backbone = resnet_tiny()
    return dataclasses.replace(spec, backbone=backbone, words=dataclasses.replace(spec.words, init="normal(1)"))


PADDLESEG = "PaddleSeg, GINet(backbone=ResNet{}_vd(output_stride=8), align_corners=True, jpu=True)"

# The original's own count (55.80) holds the 19 x 300 word table, which is not trained, and the 65 811 parameters of the
# graph of words whose result is thrown away.
PRESETS = [
    Preset(
        "ginet_resnet50_vd_paddleseg",
        _paddleseg(50),
        PAPER,
        PADDLESEG.format(50),
        55.725,
        golden=golden_files("PaddleSeg/ginet_resnet50_vd"),
    ),
    Preset("ginet_resnet101_vd_paddleseg", _paddleseg(101), PAPER, PADDLESEG.format(101)),
    Preset("ginet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]
