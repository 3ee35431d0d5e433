"""What the parity tests need of this backend: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import paddle
from paddle import Tensor, nn

from backends.paddle import layers, losses
from backends.paddle.learner import Learner
from backends.paddle.models import build_model
from backends.paddle.state import from_canonical, to_canonical
from core.arch import Spec
from core.backend import Recorder
from core.losses import Objective


def build(spec: Spec, dtype: str) -> nn.Layer:
    return build_model(spec).to(dtype=dtype)


def _input(model: nn.Layer, x: np.ndarray) -> Tensor:
    return paddle.to_tensor(x, dtype=model.parameters()[0].dtype)


@paddle.no_grad()
def forward(model: nn.Layer, x: np.ndarray, train: bool) -> list[np.ndarray]:
    """The logits of `x` [N, 3, H, W] at the heads' own resolution; `train` normalises by the batch."""
    model.train() if train else model.eval()
    return [logits.numpy() for logits in model(_input(model, x))]


def resize(logits: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    return layers.resize(paddle.to_tensor(logits), size, align_corners).numpy()


@paddle.no_grad()
def trace(model: nn.Layer, x: np.ndarray, train: bool, depth: int, recorder: Recorder) -> list[np.ndarray]:
    """Tells `recorder` what each sublayer down to `depth` names takes and gives; returns the logits."""

    def single(tensors: object) -> np.ndarray | None:
        tensors = tensors[0] if isinstance(tensors, tuple) and len(tensors) == 1 else tensors
        return tensors.numpy() if isinstance(tensors, Tensor) else None

    handles = []
    for name, layer in model.named_sublayers():
        if name.count(".") < depth:
            enter = partial(lambda name, _, inputs: recorder.enter(name, single(inputs)), name)
            leave = partial(lambda name, _, __, output: recorder.leave(name, single(output)), name)
            handles += [layer.register_forward_pre_hook(enter), layer.register_forward_post_hook(leave)]
    try:
        return forward(model, x, train)
    finally:
        for handle in handles:
            handle.remove()


def mine(outputs: list[list[np.ndarray]], objective: Objective) -> None:
    """Settles the hard pixels that all parts' outputs decide."""
    losses.segmentation_loss.mine(([paddle.to_tensor(array) for array in own] for own in outputs), objective)


def loss(outputs: list[np.ndarray], objective: Objective, part: int = 0) -> tuple[list[float], list[np.ndarray]]:
    """Each term's value, and the gradients at the outputs."""
    logits = [paddle.to_tensor(array, stop_gradient=False) for array in outputs]
    loss, values = losses.segmentation_loss(logits, objective, part)
    loss.backward()
    return [float(value) for value in values], [tensor.grad.numpy() for tensor in logits]


def gradients(learner: Learner) -> dict[str, np.ndarray]:
    """By canonical name, of every learnable parameter; zeros where a parameter has none."""
    found = {}
    for name, parameter in learner.optimizer.parameters.items():
        gradient = paddle.zeros_like(parameter) if parameter.grad is None else parameter.grad
        found[name] = to_canonical(gradient, name in learner.optimizer.swapped)
    return found


def set_gradients(learner: Learner, given: Mapping[str, np.ndarray]) -> None:
    """Puts `given` where a backward pass would have left its gradients."""
    for name, parameter in learner.optimizer.parameters.items():
        parameter.grad = paddle.to_tensor(from_canonical(given[name], parameter, name in learner.optimizer.swapped))
