"""Any network of PaddlePaddle: its state, outputs, gradients and sublayers, numpy in and numpy out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from core.backend import Recorder

Arrays = dict[str, np.ndarray]
TRANSPOSED: tuple[type, ...] = (nn.Linear,)  # layers whose matrix is [in, out]
DROPOUT = (nn.Dropout, nn.Dropout2D, nn.Dropout3D, nn.AlphaDropout)


def prepare(model: nn.Layer, dtype: str) -> None:
    model.to(dtype=dtype)


def state(model: nn.Layer) -> Arrays:
    """By the framework's own names and in its layouts."""
    return {name: value.numpy() for name, value in model.state_dict().items()}


@paddle.no_grad()
def set_state(model: nn.Layer, given: Mapping[str, np.ndarray]) -> None:
    own = model.state_dict()
    for name, array in given.items():
        own[name].set_value(np.ascontiguousarray(array, dtype=own[name].numpy().dtype))


def matrices(model: nn.Layer) -> list[str]:
    """The weights that are stored transposed."""
    return [f"{name}.weight" for name, layer in model.named_sublayers() if isinstance(layer, TRANSPOSED)]


def _mode(model: nn.Layer, train: bool) -> None:
    """Dropout stays off: its masks are each framework's own."""
    model.train() if train else model.eval()
    for layer in model.sublayers():
        if isinstance(layer, DROPOUT):
            layer.eval()


def _tensor(model: nn.Layer, x: np.ndarray) -> Tensor:
    own = next((p.dtype for p in model.parameters()), paddle.float32)
    return paddle.to_tensor(np.array(x), dtype=own)


def _single(value: Any) -> np.ndarray | None:
    value = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    return value.numpy() if isinstance(value, Tensor) else None


def flat(value: Any) -> list[Any]:
    """The tensors of an output, whatever holds them."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for part in parts for tensor in flat(part)]


@paddle.no_grad()
def forward(model: nn.Layer, x: np.ndarray, train: bool) -> list[np.ndarray]:
    _mode(model, train)
    return [tensor.numpy() for tensor in flat(model(_tensor(model, x)))]


def backward(model: nn.Layer, x: np.ndarray, seeds: Callable[[int, tuple[int, ...]], np.ndarray]) -> Arrays:
    """Gradients of the sum of all outputs weighted by `seeds(number, shape)`, in training mode."""
    _mode(model, True)
    model.clear_gradients()
    outputs = flat(model(_tensor(model, x)))
    total = sum((out * _tensor(model, seeds(i, tuple(out.shape)))).sum() for i, out in enumerate(outputs))
    total.backward()
    return {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}


def submodules(model: nn.Layer) -> dict[str, nn.Layer]:
    return dict(model.named_sublayers())


@paddle.no_grad()
def trace(model: nn.Layer, x: np.ndarray, recorder: Recorder) -> None:
    """Tells `recorder` what each sublayer takes and gives, in inference mode."""
    handles = []
    for name, layer in submodules(model).items():
        enter = partial(lambda name, _, inputs: recorder.enter(name, _single(inputs)), name)
        leave = partial(lambda name, _, __, output: recorder.leave(name, _single(output)), name)
        handles += [layer.register_forward_pre_hook(enter), layer.register_forward_post_hook(leave)]
    try:
        forward(model, x, False)
    finally:
        for handle in handles:
            handle.remove()


@paddle.no_grad()
def step(model: nn.Layer, name: str, x: np.ndarray) -> np.ndarray | None:
    """What one sublayer gives for `x`; None where that is not a single tensor."""
    _mode(model, False)
    return _single(submodules(model)[name](_tensor(model, x)))
