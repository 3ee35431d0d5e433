"""GloRe: graph-based global reasoning (Chen et al., arXiv:1811.12814) on a dilated ResNet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import ResNetSpec, resnet_7x7, resnet_tiny
from core.arch.golden import golden_files
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec, FCNHeadSpec, NormSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads
from core.errors import SpecError

PAPER = "Graph-Based Global Reasoning Networks, arXiv:1811.12814"


@dataclass(frozen=True)
class GloReUnitSpec:
    """The global reasoning unit: project to `nodes` of `states` values, two 1x1 convolutions over the graph, back.

    residual: the sign of V in h = nodes_conv(V) ± V. relu `between` the convolutions (the paper; SemSegPaddle's static
    graph) or `last` (SemSegPaddle's dynamic graph, PaddleSeg). `norm` is that of the convolution back to `width`.
    """

    width: int = 512
    states: int = 128
    nodes: int = 64
    residual: Literal["plus", "minus"] = "plus"
    relu: Literal["between", "last"] = "last"
    norm: NormSpec = NormSpec(eps=1e-4)

    def inventory(self, out: Inventory, name: str) -> None:
        with out.scope(name):
            out.conv("reduce", self.width, self.states, 1, bias=True)
            out.conv("project", self.width, self.nodes, 1, bias=True)
            out.conv("nodes_conv", self.nodes, self.nodes, 1, bias=True, axes=1)
            out.conv("states_conv", self.states, self.states, 1, axes=1)
            with out.normalised(self.norm.eps):
                out.conv_norm_act("extend", self.states, self.width, 1, act="none")


@dataclass(frozen=True)
class GloReSpec(EncoderDecoderSpec):
    """Backbone - connecting convolution - unit - classifier.

    connect_kernel: 1, or 3 without padding (SemSegPaddle on every data set but Cityscapes): the unit's map is then two
    places shorter on each side, and its logits are stretched over the whole picture.
    """

    arch: ClassVar[str] = "glore"

    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    connect_kernel: Literal[1, 3] = 1
    unit: GloReUnitSpec = GloReUnitSpec()
    head: FCNHeadSpec = FCNHeadSpec(width=0)
    auxiliary: tuple[FCNHeadSpec, ...] = (FCNHeadSpec(tap="layer3", width=256),)

    def decoder_inventory(self, out: Inventory) -> None:
        out.conv_norm_act(
            "connect", self.backbone.channels(self.backbone.deepest), self.unit.width, self.connect_kernel
        )
        self.unit.inventory(out, "unit")
        self.head.inventory(out, "head", self.unit.width, self.num_classes)

    def check_input(self, height: int, width: int) -> None:
        super().check_input(height, width)
        for side in (height, width):
            size = self.backbone.map_size(side, self.backbone.deepest)
            if size < self.connect_kernel:
                raise SpecError(
                    f"input of {height}x{width}: the feature map's {size} rows or columns are fewer than the "
                    f"{self.connect_kernel} of the unpadded connecting convolution; use a larger input"
                )

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        rows, columns = (self.backbone.map_size(side, self.backbone.deepest) for side in (height, width))
        return rows - self.connect_kernel + 1, columns - self.connect_kernel + 1

    def narrow(self) -> GloReSpec:
        return dataclasses.replace(
            self,
            backbone=self.backbone.narrow(),
            unit=dataclasses.replace(self.unit, width=16, states=8, nodes=6),
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary),
        )


def _semsegpaddle(depth: int, connect_kernel: Literal[1, 3] = 1, static: bool = False) -> GloReSpec:
    dropout = DropoutSpec(p=0.1, scale="inference")
    return GloReSpec(
        align_corners=False,
        backbone=resnet_7x7(depth, multi_grid=(1, 2, 4)),
        connect_kernel=connect_kernel,
        unit=GloReUnitSpec(relu="between") if static else GloReUnitSpec(residual="minus"),
        head=FCNHeadSpec(width=0, dropout=dropout),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, dropout=dropout),),
    )


def _paddleseg() -> GloReSpec:
    return GloReSpec(
        align_corners=False,
        backbone=ResNetSpec(depth=50, stem_widths=(32, 32, 64), first_block="stage", average_downsample=True),
        auxiliary=(FCNHeadSpec(tap="layer3", width=256, bias=True),),
    )


def _tiny() -> GloReSpec:
    return GloReSpec(
        backbone=resnet_tiny(),
        unit=GloReUnitSpec(width=32, states=16, nodes=8),
        auxiliary=(FCNHeadSpec(tap="layer3", width=16),),
    )


SEMSEGPADDLE = "SemSegPaddle, Glore on ResNet-{}, {}"

# The original's own counts (29.17, 48.16, 56.55) hold the unused 1000-class layer `resnet.fc` of 2.049 M.
PRESETS = [
    Preset(
        "glore_resnet50_semsegpaddle",
        _semsegpaddle(50),
        PAPER,
        SEMSEGPADDLE.format(50, "Cityscapes"),
        27.12,
        golden=golden_files("SemSegPaddle/glore_resnet50"),
    ),
    Preset(
        "glore_resnet101_semsegpaddle",
        _semsegpaddle(101),
        PAPER,
        SEMSEGPADDLE.format(101, "Cityscapes"),
        46.11,
        golden=golden_files("SemSegPaddle/glore_resnet101"),
    ),
    Preset(
        "glore_resnet101_semsegpaddle_context",
        _semsegpaddle(101, connect_kernel=3),
        PAPER,
        SEMSEGPADDLE.format(101, "Pascal Context"),
        54.50,
        golden=golden_files("SemSegPaddle/glore_pascal_context_resnet101"),
    ),
    Preset(
        "glore_resnet101_semsegpaddle_static",
        _semsegpaddle(101, static=True),
        PAPER,
        SEMSEGPADDLE.format(101, "the static graph's unit"),
    ),
    Preset(
        "glore_resnet50_vd_paddleseg",
        _paddleseg(),
        PAPER,
        "PaddleSeg, GloRe(backbone=ResNet50_vd)",
        27.14,
        golden=golden_files("PaddleSeg/glore_resnet50_vd"),
    ),
    Preset("glore_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]
