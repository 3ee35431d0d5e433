"""The bases of whole networks and of backbones, and what they compute with."""

from __future__ import annotations

from typing import TypeAlias

from mxnet import autograd, nd
from mxnet.gluon import HybridBlock
from mxnet.ndarray import NDArray
from mxnet.symbol import Symbol

from core.arch import Spec
from core.arch.backbones.base import BackboneSpec

Tensor: TypeAlias = NDArray | Symbol


class Network(HybridBlock):
    """A whole network: [N, C, H, W] -> a tuple of logits, main head first.

    by_parts: whether inference is no graph of the whole but one of each part, for parts that can be none.
    """

    by_parts = False

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.whole_batch = True  # whether its batch norms see no more than it is given

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Checks the size, which the graph could not, and returns a tuple whether hybridized or not."""
        if isinstance(x, NDArray):
            self.spec.check_input(*x.shape[2:])
            if autograd.is_training() and self.whole_batch:
                self.spec.check_batch(x.shape[0], *x.shape[2:])
        if self.by_parts and isinstance(x, NDArray) and not autograd.is_recording():
            outputs = self.hybrid_forward(nd, x)
        else:
            outputs = super().forward(x)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


class Backbone(HybridBlock):
    """[N, C, H, W] -> {stage: map}, the stages of its spec.

    `hybrid_forward` returns the maps in the order of `stages`: a graph returns arrays, not a dictionary.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec, self.stages = spec, spec.stages()

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.stages, super().__call__(x)))
