"""Building blocks, with every default written out that differs between frameworks."""

from backends.torch.layers.activation import activation
from backends.torch.layers.conv import ConvNorm1d, ConvNormAct, NormAct
from backends.torch.layers.dropout import ScaledInInference, dropout
from backends.torch.layers.network import Backbone, Network
from backends.torch.layers.norm import BatchNorm
from backends.torch.layers.pooling import strided_pool
from backends.torch.layers.pyramid import PyramidPooling
from backends.torch.layers.resize import resize

__all__ = [
    "Backbone",
    "BatchNorm",
    "ConvNorm1d",
    "ConvNormAct",
    "Network",
    "NormAct",
    "PyramidPooling",
    "ScaledInInference",
    "activation",
    "dropout",
    "resize",
    "strided_pool",
]
