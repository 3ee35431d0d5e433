"""What the parity tests need of this backend: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon import Block

from backends.mxnet import layers, losses
from backends.mxnet.learner import Learner
from backends.mxnet.models import build_model
from core.arch import Spec
from core.backend import Recorder
from core.losses import Objective


def build(spec: Spec, dtype: str) -> layers.Network:
    model = build_model(spec)
    model.cast(dtype)
    return model


def forward(model: layers.Network, x: np.ndarray, train: bool) -> list[np.ndarray]:
    """The logits of `x` [N, 3, H, W] at the heads' own resolution; `train` normalises by the batch."""
    dtype = next(iter(model.collect_params().values())).dtype
    with autograd.train_mode() if train else autograd.predict_mode():
        return [logits.asnumpy() for logits in model(nd.array(x, dtype=dtype))]


def resize(logits: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    x = nd.array(logits, dtype=logits.dtype)
    return layers.resize(nd, x, nd.zeros((1, 1, *size), dtype=logits.dtype), align_corners).asnumpy()


def _named(block: Block, prefix: str = "") -> Iterator[tuple[str, Block]]:
    for name, child in block._children.items():
        yield prefix + name, child
        yield from _named(child, f"{prefix}{name}.")


def trace(model: layers.Network, x: np.ndarray, train: bool, depth: int, recorder: Recorder) -> list[np.ndarray]:
    """Tells `recorder` what each block down to `depth` names takes and gives; returns the logits.

    Hooks see arrays only where the network is not hybridized, so that is undone meanwhile.
    """

    def single(arrays: object) -> np.ndarray | None:
        arrays = arrays[0] if isinstance(arrays, list | tuple) and len(arrays) == 1 else arrays
        return arrays.asnumpy() if isinstance(arrays, nd.NDArray) else None

    handles = []
    model.hybridize(active=False)
    for name, block in _named(model):
        if name.count(".") < depth:
            enter = partial(lambda name, _, inputs: recorder.enter(name, single(inputs)), name)
            leave = partial(lambda name, _, __, output: recorder.leave(name, single(output)), name)
            handles += [block.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
    try:
        return forward(model, x, train)
    finally:
        for handle in handles:
            handle.detach()
        model.hybridize(static_alloc=True, static_shape=False)


def mine(outputs: list[list[np.ndarray]], objective: Objective) -> None:
    """Settles the hard pixels that all parts' outputs decide."""
    losses.segmentation_loss.mine(([nd.array(array, dtype=array.dtype) for array in own] for own in outputs), objective)


def loss(outputs: list[np.ndarray], objective: Objective, part: int = 0) -> tuple[list[float], list[np.ndarray]]:
    """Each term's value, and the gradients at the outputs."""
    logits = [nd.array(array, dtype=array.dtype) for array in outputs]
    for array in logits:
        array.attach_grad()
    with autograd.record():
        loss, values = losses.segmentation_loss(logits, objective, part)
    loss.backward()
    return [value.asscalar() for value in values], [array.grad.asnumpy() for array in logits]


def gradients(learner: Learner) -> dict[str, np.ndarray]:
    """By canonical name, of every learnable parameter; zeros where a parameter has none."""
    return {name: parameter.grad().asnumpy() for name, parameter in learner.optimizer.parameters.items()}


def set_gradients(learner: Learner, given: Mapping[str, np.ndarray]) -> None:
    """Puts `given` where a backward pass would have left its gradients."""
    for name, parameter in learner.optimizer.parameters.items():
        parameter.grad()[:] = nd.array(given[name], dtype=parameter.dtype)
        parameter.data()._fresh_grad = True
