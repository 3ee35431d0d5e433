"""Specs of the pieces several architectures share: norms, dropout, heads, pyramid pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.arch.inventory import Inventory


@dataclass(frozen=True)
class NormSpec:
    """Batch norm. `momentum` in PyTorch's convention: running = (1 - momentum) * running + momentum * batch."""

    eps: float = 1e-5
    momentum: float = 0.1


@dataclass(frozen=True)
class DropoutSpec:
    """Dropout of probability `p`, of single elements or of whole channels.

    scale `train`: kept values are divided by 1 - p while training. scale `inference`: they are not, and inference
    multiplies by 1 - p instead (Paddle's `downscale_in_infer`, the default of paddle.fluid).
    """

    p: float = 0.1
    unit: Literal["element", "channel"] = "element"
    scale: Literal["train", "inference"] = "train"

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"dropout p={self.p} is not in [0, 1)")


NO_DROPOUT = DropoutSpec(p=0.0)


@dataclass(frozen=True)
class FCNHeadSpec:
    """conv - batch norm - (activation) - dropout - 1x1 classifier, on the feature `tap` (Long et al., arXiv:1411.4038).

    `tap` is a name the architecture defines (`layer3`, …); the main head leaves it empty. `width` is the inner width,
    `bias` that of the inner convolution (the classifier always has one); width 0 leaves the inner convolution out.
    `upsample`: bilinear enlargement before the classifier, with the architecture's `align_corners`.
    """

    tap: str = ""
    width: int = 512
    kernel: int = 3
    bias: bool = False
    act: Literal["relu", "none"] = "relu"
    upsample: int = 1
    dropout: DropoutSpec = DropoutSpec()

    def inventory(self, out: Inventory, name: str, channels: int, num_classes: int) -> None:
        with out.scope(name):
            if self.width:
                out.conv_norm_act("block", channels, self.width, self.kernel, bias=self.bias, act=self.act)
            out.conv("classifier", self.width or channels, num_classes, 1, bias=True, classifier=True)


@dataclass(frozen=True)
class PyramidSpec:
    """Pyramid pooling (Zhao et al., PSPNet, arXiv:1612.01105): pool to bins, 1x1 convolve, resize, concatenate.

    pooling `adaptive`: bins of floor/ceil borders. `strided`: kernel = stride = side // bin + 1, padding
    kernel * bin - side in front, padded places not counted (SemSegPaddle). The concatenation has the branches in the
    order of `bins`, with the input before or after them.
    """

    bins: tuple[int, ...] = (1, 2, 3, 6)
    width: int = 512
    pooling: Literal["adaptive", "strided"] = "adaptive"
    bias: bool = False
    act: Literal["relu", "none"] = "relu"
    input_first: bool = True
    align_corners: bool = True

    def __post_init__(self) -> None:
        if not self.bins or min(self.bins) < 1:
            raise ValueError(f"pyramid bins {self.bins} must be positive")

    def out_channels(self, channels: int) -> int:
        return channels + len(self.bins) * self.width

    def inventory(self, out: Inventory, name: str, channels: int) -> None:
        with out.scope(name):
            for i in range(len(self.bins)):
                out.conv_norm_act(f"branches.{i}", channels, self.width, 1, bias=self.bias, act=self.act)

    def covers(self, side: int) -> bool:
        """Whether no window of the strided pooling lies wholly in the padding, for a map of that side."""
        if self.pooling == "adaptive":
            return True
        # Window i covers [i*k - pad, (i+1)*k - pad); the first ends at k - pad, which must be at least 1.
        return all((side // b + 1) * (b - 1) < side or b == 1 for b in self.bins)
