"""The bases of whole networks and of backbones."""

from __future__ import annotations

from paddle import Tensor, nn

from core.arch import Spec
from core.arch.backbones.base import BackboneSpec


class Network(nn.Layer):
    """A whole network: [N, C, H, W] -> a tuple of logits, main head first."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.whole_batch = True  # whether its batch norms see no more than it is given

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Checks the size, which a static graph made for any size (`paddle.jit`) could not, and calls `forward`."""
        self.spec.check_input(*x.shape[2:])
        if self.training and self.whole_batch:
            self.spec.check_batch(x.shape[0], *x.shape[2:])
        return super().__call__(x)


class Backbone(nn.Layer):
    """[N, C, H, W] -> {stage: map}, the stages of its spec."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.spec, self.stages = spec, spec.stages()
