"""Building blocks, with every default written out that differs between frameworks."""

from backends.torch.layers.activation import activation
from backends.torch.layers.conv import ConvNorm1d, ConvNormAct, NormAct
from backends.torch.layers.dropout import ScaledInInference, dropout
from backends.torch.layers.network import Backbone, Network
from backends.torch.layers.norm import BatchNorm, GroupNorm
from backends.torch.layers.pooling import adaptive_pool, global_pool, strided_pool
from backends.torch.layers.pyramid import PyramidPooling
from backends.torch.layers.resize import enlarge, resize

__all__ = [
    "Backbone",
    "BatchNorm",
    "ConvNorm1d",
    "ConvNormAct",
    "GroupNorm",
    "Network",
    "NormAct",
    "PyramidPooling",
    "ScaledInInference",
    "activation",
    "adaptive_pool",
    "dropout",
    "enlarge",
    "global_pool",
    "resize",
    "strided_pool",
]
