"""Building blocks, with every default written out that differs between frameworks.

A hybridized block is a graph for every input size: nothing here asks an array for its shape. Sizes come from index
vectors (`arange_like`), and what depends on them (interpolation, strided pooling) is a product with matrices made of
them. `F` is `mxnet.ndarray` or `mxnet.symbol`.
"""

from backends.mxnet.layers.activation import GELU, PReLU, activation
from backends.mxnet.layers.aspp import ASPP
from backends.mxnet.layers.attention import attend, criss_cross
from backends.mxnet.layers.concat import concat, plain
from backends.mxnet.layers.conv import ConvAct, ConvGroupNormAct, ConvNorm1d, ConvNormAct, NormAct, NormActConv
from backends.mxnet.layers.deformable import DeformableConv
from backends.mxnet.layers.dropout import ScaledInInference, dropout
from backends.mxnet.layers.gate import ChannelGate
from backends.mxnet.layers.network import Backbone, Network, Tensor
from backends.mxnet.layers.norm import BatchNorm, GroupNorm, keep_statistics
from backends.mxnet.layers.pooling import adaptive_pool, global_pool, grid_pool, reduce_pool, strided_pool
from backends.mxnet.layers.pyramid import PyramidPooling
from backends.mxnet.layers.resize import (
    enlarge,
    halve,
    interpolation_matrix,
    multiply_sides,
    resize,
    resize_from_start,
    resize_nearest,
)
from backends.mxnet.layers.sampling import sample, warp
from backends.mxnet.layers.separable import SeparableConv, separable_conv

__all__ = [
    "ASPP",
    "GELU",
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
    "PReLU",
    "PyramidPooling",
    "ScaledInInference",
    "SeparableConv",
    "Tensor",
    "activation",
    "adaptive_pool",
    "attend",
    "concat",
    "criss_cross",
    "dropout",
    "enlarge",
    "global_pool",
    "grid_pool",
    "halve",
    "interpolation_matrix",
    "keep_statistics",
    "multiply_sides",
    "plain",
    "reduce_pool",
    "resize",
    "resize_from_start",
    "resize_nearest",
    "sample",
    "separable_conv",
    "strided_pool",
    "warp",
]
