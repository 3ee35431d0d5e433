"""Any network of PyTorch: its state, outputs, gradients and submodules, numpy in and numpy out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.backend import Recorder

Arrays = dict[str, np.ndarray]
TRANSPOSED: tuple[type, ...] = ()  # layers whose matrix is [in, out]


def prepare(model: nn.Module, dtype: str) -> None:
    model.to(getattr(torch, dtype))


def state(model: nn.Module) -> Arrays:
    """By the framework's own names and in its layouts."""
    found = {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()}
    return {name: array for name, array in found.items() if not name.endswith("num_batches_tracked")}


@torch.no_grad()
def set_state(model: nn.Module, given: Mapping[str, np.ndarray]) -> None:
    own = model.state_dict(keep_vars=True)
    for name, array in given.items():
        own[name].copy_(torch.from_numpy(np.array(array)))


def matrices(model: nn.Module) -> list[str]:
    """The weights that are stored transposed."""
    return [f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, TRANSPOSED)]


def _mode(model: nn.Module, train: bool) -> None:
    """Dropout stays off: its masks are each framework's own."""
    model.train(train)
    for layer in model.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.eval()


def _tensor(model: nn.Module, x: np.ndarray) -> Tensor:
    own = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)
    return torch.from_numpy(np.array(x)).to(own)


def _single(value: Any) -> np.ndarray | None:
    value = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    return value.detach().numpy() if isinstance(value, Tensor) else None


def flat(value: Any) -> list[Any]:
    """The tensors of an output, whatever holds them."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for part in parts for tensor in flat(part)]


@torch.no_grad()
def forward(model: nn.Module, x: np.ndarray, train: bool) -> list[np.ndarray]:
    _mode(model, train)
    return [tensor.numpy() for tensor in flat(model(_tensor(model, x)))]


def backward(model: nn.Module, x: np.ndarray, seeds: Callable[[int, tuple[int, ...]], np.ndarray]) -> Arrays:
    """Gradients of the sum of all outputs weighted by `seeds(number, shape)`, in training mode."""
    _mode(model, True)
    model.zero_grad()
    outputs = flat(model(_tensor(model, x)))
    total = sum((out * _tensor(model, seeds(i, tuple(out.shape)))).sum() for i, out in enumerate(outputs))
    total.backward()
    return {name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None}


def submodules(model: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in model.named_modules() if name}


@torch.no_grad()
def trace(model: nn.Module, x: np.ndarray, recorder: Recorder) -> None:
    """Tells `recorder` what each submodule takes and gives, in inference mode."""
    handles = []
    for name, module in submodules(model).items():
        enter = partial(lambda name, _, inputs: recorder.enter(name, _single(inputs)), name)
        leave = partial(lambda name, _, __, output: recorder.leave(name, _single(output)), name)
        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        forward(model, x, False)
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def step(model: nn.Module, name: str, x: np.ndarray) -> np.ndarray | None:
    """What one submodule gives for `x`; None where that is not a single tensor."""
    _mode(model, False)
    return _single(submodules(model)[name](_tensor(model, x)))
