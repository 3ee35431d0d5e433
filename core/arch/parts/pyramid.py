"""Pyramid pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.arch.activations import Activation
from core.arch.inventory import Inventory


def grid_columns(rows: int, height: int, width: int) -> int:
    """Columns of a pooling grid of that many rows that has the map's proportions: max(1, round(rows * width / height)).

    Halves go to the even number. Whole numbers only, so that symbolic sides (a graph for any size) do as well.
    """
    twice, unit = 2 * rows * width, 2 * height
    # The nearest, halves up and halves down; no negative numbers, whose quotients ONNX rounds towards 0.
    up, down = (twice + height) // unit, (twice + height - 1) // unit
    nearest = down + (up - down) * (down - down // 2 * 2)  # no remainder: torch.compile knows none of symbolic sides
    return nearest + 1 // (nearest + 1)  # 1 for 0


@dataclass(frozen=True)
class PyramidSpec:
    """Pyramid pooling (Zhao et al., PSPNet, arXiv:1612.01105): pool to bins, 1x1 convolve, resize, concatenate.

    pooling `adaptive`: bins of floor/ceil borders. `strided`: kernel = stride = side // bin + 1, padding
    kernel * bin - side in front, padded places not counted (SemSegPaddle). The concatenation has the branches in the
    order of `bins`, with the input before or after them. norm_single: without it the branch of a single bin has a bias
    instead of a norm (segmentation_models.pytorch), and can train on one picture.
    """

    bins: tuple[int, ...] = (1, 2, 3, 6)
    width: int = 512
    pooling: Literal["adaptive", "strided"] = "adaptive"
    bias: bool = False
    act: Activation = "relu"
    input_first: bool = True
    align_corners: bool = True
    norm_single: bool = True

    def __post_init__(self) -> None:
        if not self.bins or min(self.bins) < 1:
            raise ValueError(f"pyramid bins {self.bins} must be positive")

    def out_channels(self, channels: int) -> int:
        return channels + len(self.bins) * self.width

    def inventory(self, out: Inventory, name: str, channels: int) -> None:
        with out.scope(name):
            for i, bins in enumerate(self.bins):
                if self.normalised(bins):
                    out.conv_norm_act(f"branches.{i}", channels, self.width, 1, bias=self.bias, act=self.act)
                else:
                    out.conv_act(f"branches.{i}", channels, self.width, 1, bias=True, act=self.act)

    def normalised(self, bins: int) -> bool:
        """Whether the branch of so many bins has a norm."""
        return bins > 1 or self.norm_single

    def covers(self, side: int) -> bool:
        """Whether no window of the strided pooling lies wholly in the padding, for a map of that side."""
        if self.pooling == "adaptive":
            return True
        # Window i covers [i*k - pad, (i+1)*k - pad); the first ends at k - pad, which must be at least 1.
        return all((side // b + 1) * (b - 1) < side or b == 1 for b in self.bins)

    @property
    def smallest(self) -> tuple[int, int]:
        """(rows, columns) of the smallest pooled map that is normalised."""
        least = min((bins for bins in self.bins if self.normalised(bins)), default=1)
        return least, least
