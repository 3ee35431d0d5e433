"""Any network of Gluon: its state, outputs, gradients and blocks, numpy in and numpy out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon import Block, nn

from core.backend import Recorder

Arrays = dict[str, np.ndarray]
TRANSPOSED: tuple[type, ...] = ()  # layers whose matrix is [in, out]


def prepare(model: Block, dtype: str) -> None:
    model.hybridize(active=False)  # hooks see arrays only so
    for block in submodules(model).values():
        if isinstance(block, nn.Dropout):
            block._rate = 0  # its masks are each framework's own
    model.cast(dtype)


def state(model: Block) -> Arrays:
    """By the framework's own names and in its layouts."""
    return {name: p.data().asnumpy() for name, p in model._collect_params_with_prefix().items()}


def set_state(model: Block, given: Mapping[str, np.ndarray]) -> None:
    own = model._collect_params_with_prefix()
    for name, array in given.items():
        own[name].set_data(nd.array(array, dtype=own[name].dtype))


def matrices(model: Block) -> list[str]:
    """The weights that are stored transposed."""
    return []


def _tensor(model: Block, x: np.ndarray) -> Any:
    own = next((p.dtype for p in model.collect_params().values()), "float32")
    return nd.array(np.array(x), dtype=own)


def _single(value: Any) -> np.ndarray | None:
    value = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    return value.asnumpy() if isinstance(value, nd.NDArray) else None


def flat(value: Any) -> list[Any]:
    """The arrays of an output, whatever holds them."""
    if isinstance(value, nd.NDArray):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [array for part in parts for array in flat(part)]


def forward(model: Block, x: np.ndarray, train: bool) -> list[np.ndarray]:
    with autograd.train_mode() if train else autograd.predict_mode():
        return [array.asnumpy() for array in flat(model(_tensor(model, x)))]


def backward(model: Block, x: np.ndarray, seeds: Callable[[int, tuple[int, ...]], np.ndarray]) -> Arrays:
    """Gradients of the sum of all outputs weighted by `seeds(number, shape)`, in training mode."""
    with autograd.record(train_mode=True):
        outputs = flat(model(_tensor(model, x)))
        total = sum((out * _tensor(model, seeds(i, out.shape))).sum() for i, out in enumerate(outputs))
    total.backward()
    named = model._collect_params_with_prefix()
    return {name: p.grad().asnumpy() for name, p in named.items() if p.grad_req != "null"}


def submodules(model: Block) -> dict[str, Block]:
    def named(block: Block, prefix: str) -> Iterator[tuple[str, Block]]:
        for name, child in block._children.items():
            yield prefix + name, child
            yield from named(child, f"{prefix}{name}.")

    return dict(named(model, ""))


def trace(model: Block, x: np.ndarray, recorder: Recorder) -> None:
    """Tells `recorder` what each block takes and gives, in inference mode."""
    handles = []
    for name, block in submodules(model).items():
        enter = partial(lambda name, _, inputs: recorder.enter(name, _single(inputs)), name)
        leave = partial(lambda name, _, __, output: recorder.leave(name, _single(output)), name)
        handles += [block.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
    try:
        forward(model, x, False)
    finally:
        for handle in handles:
            handle.detach()


def step(model: Block, name: str, x: np.ndarray) -> np.ndarray | None:
    """What one block gives for `x`; None where that is not a single array."""
    with autograd.predict_mode():
        return _single(submodules(model)[name](_tensor(model, x)))
