"""Dropout."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers.network import Tensor
from core.arch.parts import DropoutSpec

SHARED_AXES: dict[str, tuple[int, ...]] = {"element": (), "channel": (2, 3), "sample": (1, 2, 3)}  # of one factor


class ScaledInInference(HybridBlock):
    """Dropout that leaves kept values as they are in training and multiplies by 1 - p in inference."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return F.Dropout(x, p=self.p) * (1 - self.p)  # the operator divides by 1 - p in training alone


def dropout(spec: DropoutSpec) -> HybridBlock:
    if spec.p == 0:
        return Identity()
    if spec.scale == "inference":
        return ScaledInInference(spec.p)
    return nn.Dropout(spec.p, axes=SHARED_AXES[spec.unit])
