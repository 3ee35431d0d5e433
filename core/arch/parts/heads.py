"""Heads that several architectures share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from core.arch.activations import Activation
from core.arch.inventory import Inventory
from core.arch.parts.norms import DropoutSpec


@dataclass(frozen=True)
class FCNHeadSpec:
    """conv - batch norm - (activation) - dropout - 1x1 classifier, on the feature `tap` (Long et al., arXiv:1411.4038).

    `tap` is a name the architecture defines (`layer3`, …); the main head leaves it empty. `width` is the inner width,
    `bias` that of the inner convolution, `classifier_bias` the classifier's; width 0 leaves the inner convolution out.
    `classifier_kernel`: 1, but in segmentation_models.pytorch's heads.
    `upsample`: bilinear enlargement before the classifier, with `align_corners`, the architecture's where that
    is None. `loss_weight`: of an auxiliary head's cost where the configuration says nothing.
    """

    tap: str = ""
    width: int = 512
    kernel: int = 3
    bias: bool = False
    classifier_bias: bool = True
    classifier_kernel: int = 1
    act: Activation = "relu"
    upsample: int = 1
    align_corners: bool | None = None
    dropout: DropoutSpec = DropoutSpec()
    loss_weight: float = 0.4

    def inventory(self, out: Inventory, name: str, channels: int, num_classes: int) -> None:
        with out.scope(name):
            if self.width:
                out.conv_norm_act("block", channels, self.width, self.kernel, bias=self.bias, act=self.act)
            inner, kernel, bias = self.width or channels, self.classifier_kernel, self.classifier_bias
            out.conv("classifier", inner, num_classes, kernel, bias=bias, classifier=True)

    def narrow(self, width: int = 8, taps: Mapping[str, str] | None = None) -> FCNHeadSpec:
        """The head with at most `width` inner channels, its tap renamed by `taps`."""
        return dataclasses.replace(self, width=min(self.width, width), tap=(taps or {}).get(self.tap, self.tap))
