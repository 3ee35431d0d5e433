"""Building blocks, with every default written out that differs between frameworks."""

from backends.paddle.layers.activation import activation
from backends.paddle.layers.aspp import ASPP
from backends.paddle.layers.attention import attend, criss_cross
from backends.paddle.layers.conv import (
    ConvAct,
    ConvGroupNormAct,
    ConvNorm1d,
    ConvNormAct,
    NormAct,
    NormActConv,
)
from backends.paddle.layers.deformable import DeformableConv
from backends.paddle.layers.dropout import dropout
from backends.paddle.layers.gate import ChannelGate
from backends.paddle.layers.network import Backbone, Network
from backends.paddle.layers.norm import BatchNorm, GroupNorm, keep_statistics, running_statistics
from backends.paddle.layers.pooling import adaptive_pool, global_pool, grid_pool, reduce_pool, strided_pool
from backends.paddle.layers.pyramid import PyramidPooling
from backends.paddle.layers.resize import (
    Side,
    enlarge,
    halve,
    interpolation_matrix,
    multiply_sides,
    resize,
    resize_from_start,
    resize_nearest,
)
from backends.paddle.layers.sampling import sample, warp
from backends.paddle.layers.separable import SeparableConv, separable_conv

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
    "SeparableConv",
    "Side",
    "activation",
    "adaptive_pool",
    "attend",
    "criss_cross",
    "dropout",
    "enlarge",
    "global_pool",
    "grid_pool",
    "halve",
    "interpolation_matrix",
    "keep_statistics",
    "multiply_sides",
    "reduce_pool",
    "resize",
    "resize_from_start",
    "resize_nearest",
    "running_statistics",
    "sample",
    "separable_conv",
    "strided_pool",
    "warp",
]
