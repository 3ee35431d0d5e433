"""What the parity tests need of this backend: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from backends.torch import layers, losses
from backends.torch.learner import Learner
from backends.torch.models import build_model
from core.arch import Spec
from core.backend import Recorder
from core.losses import Objective


def build(spec: Spec, dtype: str) -> nn.Module:
    return build_model(spec).to(getattr(torch, dtype))


def _input(model: nn.Module, x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).to(next(model.parameters()).dtype)


@torch.no_grad()
def forward(model: nn.Module, x: np.ndarray, train: bool) -> list[np.ndarray]:
    """The logits of `x` [N, 3, H, W] at the heads' own resolution; `train` normalises by the batch."""
    model.train(train)
    return [logits.numpy() for logits in model(_input(model, x))]


def resize(logits: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    return layers.resize(torch.from_numpy(logits), size, align_corners).numpy()


@torch.no_grad()
def trace(model: nn.Module, x: np.ndarray, train: bool, depth: int, recorder: Recorder) -> list[np.ndarray]:
    """Tells `recorder` what each submodule down to `depth` names takes and gives; returns the logits."""

    def single(tensors: object) -> np.ndarray | None:
        tensors = tensors[0] if isinstance(tensors, tuple) and len(tensors) == 1 else tensors
        return tensors.numpy() if isinstance(tensors, Tensor) else None

    handles = []
    for name, module in model.named_modules():
        if name and name.count(".") < depth:
            enter = partial(lambda name, _, inputs: recorder.enter(name, single(inputs)), name)
            leave = partial(lambda name, _, __, output: recorder.leave(name, single(output)), name)
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        return forward(model, x, train)
    finally:
        for handle in handles:
            handle.remove()


def mine(outputs: list[list[np.ndarray]], objective: Objective) -> None:
    """Settles the hard pixels that all parts' outputs decide."""
    losses.segmentation_loss.mine(([torch.from_numpy(array) for array in own] for own in outputs), objective)


def loss(outputs: list[np.ndarray], objective: Objective, part: int = 0) -> tuple[list[float], list[np.ndarray]]:
    """Each term's value, and the gradients at the outputs."""
    logits = [torch.from_numpy(array).requires_grad_() for array in outputs]
    loss, values = losses.segmentation_loss(logits, objective, part)
    loss.backward()
    return [float(value.detach()) for value in values], [array.grad.numpy() for array in logits]


def gradients(learner: Learner) -> dict[str, np.ndarray]:
    """By canonical name, of every learnable parameter; zeros where a parameter has none."""
    return {
        name: np.zeros(tuple(parameter.shape), parameter.detach().numpy().dtype)
        if parameter.grad is None
        else parameter.grad.numpy().copy()
        for name, parameter in learner.optimizer.parameters.items()
    }


def set_gradients(learner: Learner, given: Mapping[str, np.ndarray]) -> None:
    """Puts `given` where a backward pass would have left its gradients."""
    for name, parameter in learner.optimizer.parameters.items():
        parameter.grad = torch.from_numpy(given[name]).to(parameter.dtype)
