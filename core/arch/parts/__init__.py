"""Specs of the pieces several architectures share: norms, dropout, activations, gates, heads, pyramid pooling."""

from core.arch.activations import ACTIVATIONS, Activation, check_activation
from core.arch.parts.gate import ChannelGateSpec
from core.arch.parts.heads import FCNHeadSpec
from core.arch.parts.norms import NO_DROPOUT, DropoutSpec, GroupNormSpec, NormSpec
from core.arch.parts.padding import Padding, halving_kernel, halving_padding, same_padding
from core.arch.parts.pyramid import PyramidSpec

__all__ = [
    "ACTIVATIONS",
    "NO_DROPOUT",
    "Activation",
    "ChannelGateSpec",
    "DropoutSpec",
    "FCNHeadSpec",
    "GroupNormSpec",
    "NormSpec",
    "Padding",
    "PyramidSpec",
    "check_activation",
    "halving_kernel",
    "halving_padding",
    "same_padding",
]
