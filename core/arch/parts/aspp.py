"""Atrous spatial pyramid pooling."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from core.arch.inventory import Inventory
from core.arch.parts.norms import DropoutSpec
from core.arch.parts.separable import Separation, separable_inventory


@dataclass(frozen=True)
class ASPPSpec:
    """Atrous spatial pyramid pooling (Chen et al., DeepLabv3, arXiv:1706.05587).

    A 1x1 convolution, a 3x3 one for each of `rates` (dilation = padding), and a 1x1 one of the picture's mean, each of
    `width` channels with batch norm and ReLU; concatenated in this order or with the mean first (`pool_first`), and
    projected to `out_width` by a convolution of side `out_kernel`. `bias` is that of all but the mean's convolution;
    `separation` that of the dilated ones, of which there may be none.
    """

    rates: tuple[int, ...] = (12, 24, 36)
    width: int = 256
    separation: Separation = "whole"
    bias: bool = False
    pool_first: bool = False
    out_width: int = 256
    out_kernel: int = 1
    dropout: DropoutSpec = DropoutSpec(p=0.5)

    def __post_init__(self) -> None:
        if min(self.rates, default=1) < 1:
            raise ValueError(f"aspp rates {self.rates} must be positive")

    def inventory(self, out: Inventory, name: str, channels: int) -> None:
        with out.scope(name):
            out.conv_norm_act("branches.0", channels, self.width, 1, bias=self.bias)
            for i in range(1, len(self.rates) + 1):
                separable_inventory(
                    out, f"branches.{i}", channels, self.width, 3, separation=self.separation, bias=self.bias
                )
            out.conv_norm_act("pool", channels, self.width, 1)
            joined = (len(self.rates) + 2) * self.width
            out.conv_norm_act("project", joined, self.out_width, self.out_kernel, bias=self.bias)

    def narrow(self, width: int = 8) -> ASPPSpec:
        """The pyramid with `width` channels."""
        return dataclasses.replace(self, width=width, out_width=width)
