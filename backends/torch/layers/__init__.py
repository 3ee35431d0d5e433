"""Building blocks, with every default written out that differs between frameworks."""

from backends.torch.layers.activation import activation
from backends.torch.layers.aspp import ASPP
from backends.torch.layers.attention import attend, criss_cross
from backends.torch.layers.conv import (
    ConvAct,
    ConvGroupNormAct,
    ConvNorm1d,
    ConvNormAct,
    NormAct,
    NormActConv,
)
from backends.torch.layers.deformable import DeformableConv
from backends.torch.layers.dropout import ScaledInInference, dropout
from backends.torch.layers.gate import ChannelGate
from backends.torch.layers.network import Backbone, Network
from backends.torch.layers.norm import BatchNorm, GroupNorm, keep_statistics
from backends.torch.layers.pooling import adaptive_pool, global_pool, grid_pool, reduce_pool, strided_pool
from backends.torch.layers.pyramid import PyramidPooling
from backends.torch.layers.resize import enlarge, halve, resize, resize_from_start, resize_nearest
from backends.torch.layers.sampling import sample, warp
from backends.torch.layers.separable import SeparableConv, separable_conv

__all__ = [
    "ASPP",
    "Backbone",
    "BatchNorm",
    "ChannelGate",
    "ConvAct",
    "ConvGroupNormAct",
    "ConvNorm1d",
    "ConvNormAct",
    "DeformableConv",
    "GroupNorm",
    "Network",
    "NormAct",
    "NormActConv",
    "PyramidPooling",
    "ScaledInInference",
    "SeparableConv",
    "activation",
    "adaptive_pool",
    "attend",
    "criss_cross",
    "dropout",
    "enlarge",
    "global_pool",
    "grid_pool",
    "halve",
    "keep_statistics",
    "reduce_pool",
    "resize",
    "resize_from_start",
    "resize_nearest",
    "sample",
    "separable_conv",
    "strided_pool",
    "warp",
]
