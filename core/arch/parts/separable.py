"""Convolutions that may be taken apart into a depthwise and a pointwise one."""

from __future__ import annotations

from typing import Literal

from core.arch.inventory import Inventory, Kernel

# `whole`: one convolution. The others: a depthwise one, then a 1x1, with nothing, a batch norm, or a batch norm and the
# block's activation between the two. Batch norm and activation stand behind in any case.
Separation = Literal["whole", "bare", "norm", "norm_act"]


def separable_inventory(
    out: Inventory,
    name: str,
    channels: int,
    width: int,
    kernel: Kernel,
    *,
    separation: Separation,
    bias: bool = False,
    act: str = "relu",
) -> None:
    """Adds the parameters of a block that every backend's `separable_conv` makes."""
    if separation == "whole":
        out.conv_norm_act(name, channels, width, kernel, bias=bias, act=act)
        return
    with out.scope(name):
        if separation == "bare":
            out.conv("depthwise", channels, channels, kernel, groups=channels, bias=bias)
        else:
            between = act if separation == "norm_act" else "none"
            out.conv_norm_act("depthwise", channels, channels, kernel, groups=channels, bias=bias, act=between)
        out.conv_norm_act("pointwise", channels, width, 1, bias=bias, act=act)
