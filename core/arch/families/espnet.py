"""ESPNet: efficient spatial pyramids of dilated convolutions (Mehta et al., arXiv:1803.06815)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from core.arch.activations import Activation
from core.arch.golden import golden_files
from core.arch.inventory import InitSpec, Inventory, numbered
from core.arch.parts import NormSpec, Padding
from core.arch.spec import Preset, Shapes, Spec, require_sides

PAPER = "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation, arXiv:1803.06815"


@dataclass(frozen=True)
class ESPNetSpec(Spec):
    """Encoder (ESPNet-C when `decoder` is false) and the light decoder.

    p, q: ESP modules at 1/4 and at 1/8. last_skip: what the decoder's last concatenation takes from level 1: its
    convolution's output (`level1`, 16 channels; the authors' test model and Cityscapes weights) or that with the
    picture, normalised (`level1_image`, 19 channels; their training model and CamVid weights).
    projected (PaddleSeg and its ancestor): the picture goes in as means of 2x2 and 4x4 places, not of overlapping 3x3;
    each level is brought to the classes by a 1x1 convolution with norm and activation, and the decoder takes these
    three; concatenations have the deeper map first. The original's own count of channels holds for 19 classes alone.
    block_act, block_bias, padding: of level 1's convolution, the projections and the decoder's last convolution.
    """

    arch: ClassVar[str] = "espnet"
    classifiers: ClassVar[tuple[str, ...]] = ("encoder.classifier.weight", "decoder.classifier.weight")

    in_channels: int = 3
    p: int = 2
    q: int = 8
    widths: tuple[int, int, int] = (16, 64, 128)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    decoder: bool = True
    last_skip: Literal["level1", "level1_image"] = "level1_image"
    projected: bool = False
    block_act: Activation = "prelu"
    block_bias: bool = False
    padding: Padding = "symmetric"
    norm: NormSpec = NormSpec(eps=1e-3)
    init: InitSpec = field(default_factory=InitSpec)

    def __post_init__(self) -> None:
        if self.p < 1 or self.q < 1:
            raise ValueError(f"p={self.p}, q={self.q}: at least one ESP module at each level")
        if self.decoder and self.num_classes < len(self.dilations):
            raise ValueError(
                f"num_classes is {self.num_classes}: the decoder's spatial pyramid shares the classes out to "
                f"{len(self.dilations)} branches, so at least {len(self.dilations)}"
            )
        if self.projected and not self.decoder:
            raise ValueError("decoder is false: the projected form ends in its decoder")
        if self.auxiliary:
            raise ValueError("ESPNet has no auxiliary heads")

    def branch_widths(self, width: int) -> tuple[int, ...]:
        """Channels of an ESP module's branches: equal shares of `width`, the rest in the first."""
        share, count = width // len(self.dilations), len(self.dilations)
        return (width - share * (count - 1), *[share] * (count - 1))

    @property
    def level1_channels(self) -> int:
        return self.widths[0] + self.in_channels

    @property
    def level2_channels(self) -> int:
        return 2 * self.widths[1] + self.in_channels

    @property
    def level3_channels(self) -> int:
        return 2 * self.widths[2]

    @property
    def skip_channels(self) -> int:
        """Channels the last concatenation takes from level 1."""
        if self.projected:
            return self.num_classes
        return self.widths[0] if self.last_skip == "level1" else self.level1_channels

    def _esp(self, out: Inventory, name: str, channels: int, width: int, kernel: int) -> None:
        """An ESP module (reduction 1x1) or its down-sampling form (3x3, strided)."""
        branches = self.branch_widths(width)
        with out.scope(name):
            out.conv("reduce", channels, branches[-1], kernel)
            for i, branch in enumerate(branches):
                out.conv(f"branches.{i}", branches[-1], branch, 3)
            out.batch_norm("bn", width)
            out.prelu("act", width)

    def inventory(self) -> Inventory:
        out = Inventory(self.init, self.norm.eps)
        level1, level2, level3 = self.widths
        classes = self.num_classes
        block = partial(out.conv_norm_act, bias=self.block_bias, act=self.block_act)
        with out.scope("encoder"):
            block("level1", self.in_channels, level1, 3)
            out.norm_act("norm1", self.level1_channels, act="prelu")
            self._esp(out, "level2_down", self.level1_channels, level2, 3)
            for i in range(self.p):
                self._esp(out, f"level2.{i}", level2, level2, 1)
            out.norm_act("norm2", self.level2_channels, act="prelu")
            self._esp(out, "level3_down", self.level2_channels, level3, 3)
            for i in range(self.q):
                self._esp(out, f"level3.{i}", level3, level3, 1)
            out.norm_act("norm3", self.level3_channels, act="prelu")
            if self.projected:
                for i, channels in enumerate((self.level1_channels, self.level2_channels, self.level3_channels)):
                    block(f"projections.{i}", channels, classes, 1)
            else:
                out.conv("classifier", self.level3_channels, classes, 1, classifier=True)
        if self.decoder:
            with out.scope("decoder"):
                if not self.projected:
                    out.batch_norm("norm3", classes)
                out.deconv("up3", classes, classes, 2)
                if not self.projected:
                    out.conv("project2", self.level2_channels, classes, 1)
                out.norm_act("norm2", 2 * classes, act="prelu")
                self._esp(out, "merge2", 2 * classes, classes, 1)
                out.deconv("up2", classes, classes, 2)
                out.norm_act("norm1", classes, act="prelu")
                block("merge1", classes + self.skip_channels, classes, 3)
                out.deconv("classifier", classes, classes, 2)
        return out

    @property
    def least(self) -> int:
        return 8

    @property
    def multiple(self) -> int:
        return 8 if self.decoder else 1

    def check_input(self, height: int, width: int) -> None:
        why = " (three halvings, undone exactly)" if self.decoder else ""
        require_sides(height, width, least=self.least, multiple=self.multiple, why=why)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return -(-height // 8), -(-width // 8)

    def narrow(self) -> ESPNetSpec:
        return dataclasses.replace(self, p=1, q=1, widths=(16, 20, 25))

    def infer(self, shapes: Shapes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, level in (("p", 2), ("q", 3)):
            count = numbered(shapes, rf"encoder\.level{level}\.(\d+)\.")
            if count and count != getattr(self, name):
                found[name] = count
        decoder = any(name.startswith("decoder.") for name in shapes)
        if decoder != self.decoder:
            found["decoder"] = decoder
        merge = shapes.get("decoder.merge1.conv.weight", ())
        if len(merge) == 4 and not self.projected:
            skips = {self.widths[0]: "level1", self.level1_channels: "level1_image"}
            skip = skips.get(merge[1] - merge[0])
            if skip is not None and skip != self.last_skip:
                found["last_skip"] = skip
        return found


AUTHORS = "sacmehta/ESPNet, {}"
_TINY = ESPNetSpec(p=1, q=1, widths=(16, 20, 40), num_classes=19)

PRESETS = [
    Preset(
        "espnet_p2_q8",
        ESPNetSpec(),
        PAPER,
        AUTHORS.format("train/Model.py; Fast_Seg's ESPNet"),
        0.363,
        golden=golden_files("ESPNet/ESPNet", "ESPNet/ESPNet_12", "Fast_Seg/ESPNet"),
    ),
    Preset("espnet_p2_q5", ESPNetSpec(q=5), PAPER, AUTHORS.format("train/Model.py")),
    Preset("espnet_p2_q3", ESPNetSpec(q=3), PAPER, AUTHORS.format("train/Model.py")),
    *[
        Preset(f"espnet_p2_q{q}_skip16", ESPNetSpec(q=q, last_skip="level1"), PAPER, AUTHORS.format("test/Model.py"))
        for q in (8, 5, 3)
    ],
    *[
        Preset(
            f"espnet_c_p2_q{q}",
            ESPNetSpec(q=q, decoder=False),
            PAPER,
            AUTHORS.format("ESPNet_Encoder"),
            golden=golden_files("ESPNet/ESPNet_Encoder") if q == 8 else (),
        )
        for q in (8, 5, 3)
    ],
    Preset(
        "espnet_paddleseg",
        ESPNetSpec(projected=True, block_act="prelu_shared", block_bias=True, padding="same", norm=NormSpec()),
        PAPER,
        "PaddleSeg, ESPNetV1(num_classes=19)",
        golden=golden_files("PaddleSeg/espnetv1"),
    ),
    Preset(
        "espnet_simuler",
        ESPNetSpec(projected=True, norm=NormSpec()),
        PAPER,
        "simuler/ESPNet, paddleseg/models/espnetv1.py, from which PaddleSeg's came",
    ),
    Preset("espnet_tiny", _TINY, PAPER, "of this project: for tests and demonstrations"),
    Preset(
        "espnet_projected_tiny",
        dataclasses.replace(_TINY, projected=True, block_act="prelu_shared", padding="same"),
        PAPER,
        "of this project: for tests",
    ),
    Preset("espnet_c_tiny", dataclasses.replace(_TINY, decoder=False), PAPER, "of this project: for tests"),
]
