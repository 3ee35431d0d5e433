"""Gates of channels."""

from __future__ import annotations

from dataclasses import dataclass

from core.arch.activations import Activation
from core.arch.inventory import Inventory


@dataclass(frozen=True)
class ChannelGateSpec:
    """Global mean - 1x1 convolutions of the same width - sigmoid: one factor per picture and channel, [N, C, 1, 1].

    acts: the activation after each convolution, the last one before the sigmoid (a ReLU there keeps the gate above
    0.5). norm: batch norms between convolutions, which have no bias, and activations.
    """

    acts: tuple[Activation, ...] = ("none",)
    norm: bool = True

    def inventory(self, out: Inventory, name: str, channels: int) -> None:
        with out.scope(name):
            for i, act in enumerate(self.acts):
                if self.norm:
                    out.conv_norm_act(f"convs.{i}", channels, channels, 1, act=act)
                else:
                    out.conv_act(f"convs.{i}", channels, channels, 1, act=act)
