"""Specs of the pieces several architectures share: norms, dropout, activations, gates, heads, pyramids."""

from core.arch.activations import ACTIVATIONS, Activation, check_activation
from core.arch.parts.aspp import ASPPSpec
from core.arch.parts.gate import ChannelGateSpec
from core.arch.parts.heads import FCNHeadSpec
from core.arch.parts.norms import NO_DROPOUT, DropoutSpec, GroupNormSpec, NormSpec
from core.arch.parts.padding import Padding, halving_kernel, halving_padding, same_padding
from core.arch.parts.pyramid import PyramidSpec, grid_columns
from core.arch.parts.separable import Separation, separable_inventory

__all__ = [
    "ACTIVATIONS",
    "NO_DROPOUT",
    "ASPPSpec",
    "Activation",
    "ChannelGateSpec",
    "DropoutSpec",
    "FCNHeadSpec",
    "GroupNormSpec",
    "NormSpec",
    "Padding",
    "PyramidSpec",
    "Separation",
    "check_activation",
    "grid_columns",
    "halving_kernel",
    "halving_padding",
    "same_padding",
    "separable_inventory",
]
