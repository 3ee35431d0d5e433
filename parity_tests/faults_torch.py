"""Faults of the PyTorch backend's own functions, for parity_tests.faults. Its modules are imported when one is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np


def _unbiased_variance() -> Any:
    """PyTorch's own batch norm, whose running variance is n / (n - 1) times the batch's."""
    from backends.torch.layers import BatchNorm

    return mock.patch.object(BatchNorm, "forward", super(BatchNorm, BatchNorm).forward)


def _rate_in_momentum() -> Any:
    """MXNet's rule: buf = mu * buf - lr * g; w += buf, which is PyTorch's only while lr stays the same."""
    import torch

    from backends.torch.optim import Optimizer

    own = Optimizer.step

    def step(self: Any) -> None:
        if "momentum_buffer" not in self.slots:
            own(self)
            return
        with torch.no_grad():
            for group in self.native.param_groups:
                for parameter in group["params"]:
                    gradient = parameter.grad + group["weight_decay"] * parameter
                    state = self.native.state[parameter]
                    before = state.get("momentum_buffer")
                    buffer = (torch.zeros_like(parameter) if before is None else before) * group["momentum"]
                    state["momentum_buffer"] = buffer - group["lr"] * gradient
                    parameter += state["momentum_buffer"]
        self.steps += 1

    return mock.patch.object(Optimizer, "step", step)


def _no_auxiliary_loss() -> Any:
    """The sum over the heads stops after the first."""
    from backends.torch import learner, losses

    def only_main(outputs: Any, *arguments: Any, **options: Any) -> Any:
        _, parts = losses.segmentation_loss(outputs, *arguments, **options)
        return parts[0], parts

    return mock.patch.object(learner, "segmentation_loss", only_main)


def _highest_of_ties() -> Any:
    """An argmax that takes the last of several equal logits."""
    import torch

    from backends.torch.inference import Predictor
    from backends.torch.layers import resize

    @torch.inference_mode()
    def labels(self: Any, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        logits = resize(self._forward(images), size, self.model.spec.align_corners).flip(1)
        last = logits.shape[1] - 1
        return (last - logits.argmax(dim=1)).cpu().numpy().astype(np.uint8)

    return mock.patch.object(Predictor, "labels", labels)


INJECTIONS: dict[str, Callable[[], Any]] = {
    "unbiased variance": _unbiased_variance,
    "rate in momentum": _rate_in_momentum,
    "no auxiliary loss": _no_auxiliary_loss,
    "highest of ties": _highest_of_ties,
}
