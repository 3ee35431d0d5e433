"""MSFNet after its paper's description (Si et al., arXiv:1911.07217); no original code was published."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.resnet import resnet_7x7, resnet_tiny
from core.arch.inventory import Inventory
from core.arch.parts import FCNHeadSpec
from core.arch.spec import EncoderDecoderSpec, OutputSpec, Preset, Shapes

PAPER = "Real-Time Semantic Segmentation via Multiply Spatial Fusion Network, arXiv:1911.07217"


@dataclass(frozen=True)
class MSFNetSpec(EncoderDecoderSpec):
    """Backbone - spatial aware pooling of every stage - fusion of equal resolutions - a class and a boundary branch.

    The paper says: every residual stage's map is pooled to several lower resolutions with stride s and kernel 2s + 1;
    maps of one resolution are fused, whichever stage they come from; two branches that share nothing rise to 1/8, one
    for the classes and one for their boundaries; the logits are enlarged by 8 at once; the 1/4 map is only pooled from.

    Decided here, since the paper (as far as it could be read) does not say:
    - the backbone is ResNet-18 with a 7x7 stem, undilated;
    - pooling takes means, padded by s, padded places not counted; a stage's own map stands for its own resolution;
    - `levels`: the resolutions are 1/8 to 1/128, five halvings of the first stage's 1/4;
    - fusion: concatenation, shallowest stage first, and a 1x1 convolution with norm and ReLU to `width`;
    - a branch starts from the coarsest fused map and at each finer one resizes (bilinear, aligned corners), adds and
      convolves 3x3 with norm and ReLU; it ends in an FCN head (`head`);
    - both branches are `width` wide, which makes 100 G multiply-adds at 1024x2048 with the boundary branch and 89 G
      without it (later publications report 96.8 G);
    - the boundary branch gives one logit a pixel, is trained by binary cross-entropy of weight 1 against class
      boundaries made from the labels (core.data.boundaries), and does not feed the class branch: `boundary` false,
      as for inference, leaves it out;
    - no auxiliary head.
    """

    arch: ClassVar[str] = "msfnet"
    classifiers: ClassVar[tuple[str, ...]] = ("classes.head.classifier.weight",)

    backbone: BackboneSpec = field(default_factory=lambda: resnet_7x7(18, output_stride=32))
    levels: tuple[int, ...] = (8, 16, 32, 64, 128)
    width: int = 128
    head: FCNHeadSpec = FCNHeadSpec(width=128)
    boundary: bool = True

    def sources(self, level: int) -> tuple[tuple[str, int], ...]:
        """The stages that are fused at that resolution, and by what factor each is pooled."""
        strides = {stage: self.backbone.stride(stage) for stage in self.backbone.stages()}
        return tuple((stage, level // stride) for stage, stride in strides.items() if stride <= level)

    def fused_channels(self, level: int) -> int:
        """Channels of the concatenated maps of that resolution."""
        return sum(self.backbone.channels(stage) for stage, _ in self.sources(level))

    def outputs(self) -> tuple[OutputSpec, ...]:
        main, *heads = super().outputs()
        return (main, *([OutputSpec("boundary", "boundary")] if self.boundary else []), *heads)

    def decoder_inventory(self, out: Inventory) -> None:
        for i, level in enumerate(self.levels):
            out.conv_norm_act(f"fusions.{i}", self.fused_channels(level), self.width, 1)
        self._branch(out, "classes", self.num_classes)
        if self.boundary:
            self._branch(out, "boundary", 1)

    def _branch(self, out: Inventory, name: str, logits: int) -> None:
        with out.scope(name):
            for i in range(len(self.levels) - 1):
                out.conv_norm_act(f"steps.{i}", self.width, self.width, 3)
            self.head.inventory(out, "head", self.width, logits)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return -(-height // max(self.levels)), -(-width // max(self.levels))

    def for_inference(self) -> MSFNetSpec:
        return dataclasses.replace(super().for_inference(), boundary=False)

    def infer(self, shapes: Shapes) -> dict[str, Any]:
        found = super().infer(shapes)
        has_boundary = any(name.startswith("boundary.") for name in shapes)
        return found | ({"boundary": False} if self.boundary and not has_boundary else {})

    def narrow(self) -> MSFNetSpec:
        return dataclasses.replace(self, backbone=self.backbone.narrow(), width=8, head=self.head.narrow())


def _tiny() -> MSFNetSpec:
    return MSFNetSpec(backbone=resnet_tiny(output_stride=32), width=16, head=FCNHeadSpec(width=16))


PRESETS = [
    Preset(
        "msfnet_resnet18_paper", MSFNetSpec(), PAPER, "none: after the paper's description, own decisions in MSFNetSpec"
    ),
    Preset("msfnet_tiny", _tiny(), PAPER, "of this project: for tests and demonstrations"),
]
