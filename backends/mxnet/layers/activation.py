"""Activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers.network import Tensor
from core.arch.activations import check_activation


class PReLU(nn.PReLU):
    """A slope per channel of [N, C, H, W], or one for all. MXNet's own operator rounds the slope to float32."""

    def __init__(self, channels: int) -> None:
        super().__init__(in_channels=channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor, alpha: Tensor) -> Tensor:
        return F.relu(x) - F.broadcast_mul(F.relu(-x), F.reshape(alpha, (1, -1, 1, 1)))


class GELU(HybridBlock):
    """x * Phi(x) with the normal distribution itself, no approximation.

    The fused operator, eight times as fast on a processor, keeps its constants in float32; in float64 the formula is
    written out. There, the derivative of MXNet's erf takes the root of pi in float32 too: the last term is 0 and
    brings its gradient to the right slope.
    """

    ERF_SLOPE_ERROR = float(np.sqrt(np.float32(np.pi))) / math.sqrt(math.pi) - 1

    def __init__(self) -> None:
        super().__init__()
        self.double = False

    def cast(self, dtype: str | type) -> None:
        self.double = np.dtype(dtype) == np.float64
        super().cast(dtype)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        if not self.double:
            return F.LeakyReLU(x, act_type="gelu")
        erf = F.erf(x * math.sqrt(0.5))
        erf = erf + self.ERF_SLOPE_ERROR * (erf - F.stop_gradient(erf))
        return 0.5 * x * (1 + erf)


class Formula(HybridBlock):
    """An activation written out, where Gluon has none or keeps a constant of it in float32."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name_of_formula = name

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return FORMULAS[self.name_of_formula](F, x)


FORMULAS: dict[str, Callable[[ModuleType, Tensor], Tensor]] = {
    "relu6": lambda F, x: F.clip(x, 0, 6),
    "leaky_relu": lambda F, x: F.relu(x) - 0.01 * F.relu(-x),
    "silu": lambda F, x: x * F.sigmoid(x),
    "hard_swish": lambda F, x: x * F.clip(x + 3, 0, 6) / 6,
}


def activation(name: str, channels: int) -> HybridBlock:
    """One of core.arch.activations, for maps of `channels`. Raises ValueError for an unknown name."""
    check_activation(name)
    if name in ("prelu", "prelu_shared"):
        return PReLU(channels if name == "prelu" else 1)
    if name in FORMULAS:
        return Formula(name)
    if name == "gelu":
        return GELU()
    return Identity() if name == "none" else nn.Activation(name)
