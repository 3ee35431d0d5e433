"""The building blocks against their definitions in numpy, values and gradients, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.arch.activations import ACTIVATIONS
from core.arch.parts import GroupNormSpec

Module = Callable[[str], ModuleType]

X = np.random.default_rng(0).normal(size=(2, 8, 5, 6)) * 3
WEIGHT = np.random.default_rng(1).normal(size=X.shape)
SLOPES = np.linspace(0.1, 0.4, 8)


def run(backend: str, block: Any, state: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(block(x), gradient at x of the sum of WEIGHT times it), in float64."""
    if backend == "torch":
        import torch

        block = block.double()
        for name, parameter in block.named_parameters():
            parameter.data.copy_(torch.from_numpy(state[name]))
        given = torch.from_numpy(x.copy()).requires_grad_()
        y = block(given * 1)  # a copy: some activations work in place
        (y * torch.from_numpy(WEIGHT)).sum().backward()
        return y.detach().numpy(), given.grad.numpy()
    if backend == "paddle":
        import paddle

        block = block.to(dtype="float64")
        for name, parameter in block.named_parameters():
            parameter.set_value(state["weight" if name == "_weight" else name])
        given = paddle.to_tensor(x, stop_gradient=False)
        y = block(given)
        (y * paddle.to_tensor(WEIGHT)).sum().backward()
        return y.numpy(), given.grad.numpy()
    from mxnet import autograd, nd

    block.initialize()
    block.cast("float64")
    names = {"gamma": "weight", "beta": "bias", "alpha": "weight"}
    for own, parameter in block._reg_params.items():
        parameter.set_data(nd.array(state[names[own]], dtype="float64"))
    given = nd.array(x, dtype="float64")
    given.attach_grad()
    with autograd.record():
        y = block(given * 1)
        total = (y * nd.array(WEIGHT, dtype="float64")).sum()
    total.backward()
    return y.asnumpy(), given.grad.asnumpy()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def phi(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def slope(x: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shaped = slopes.reshape(1, -1, 1, 1)
    return np.where(x > 0, x, shaped * x), np.where(x > 0, 1.0, shaped)


def inside(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return ((x > low) & (x < high)).astype(float)


DEFINITIONS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "none": lambda x: (x, np.ones_like(x)),
    "relu": lambda x: (np.maximum(x, 0), (x > 0) * 1.0),
    "relu6": lambda x: (np.clip(x, 0, 6), inside(x, 0, 6)),
    "leaky_relu": lambda x: slope(x, np.array([0.01])),
    "prelu": lambda x: slope(x, SLOPES),
    "prelu_shared": lambda x: slope(x, SLOPES[:1]),
    "sigmoid": lambda x: (sigmoid(x), sigmoid(x) * sigmoid(-x)),
    "tanh": lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2),
    "silu": lambda x: (x * sigmoid(x), sigmoid(x) * (1 + x * sigmoid(-x))),
    "hard_swish": lambda x: (
        x * np.clip(x + 3, 0, 6) / 6,
        np.where(x >= 3, 1.0, inside(x, -3, 3) * (2 * x + 3) / 6),
    ),
    "gelu": lambda x: (x * phi(x), phi(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
}


def test_every_activation_is_defined_here() -> None:
    assert set(DEFINITIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str, backend: str, module: Module) -> None:
    value, derivative = DEFINITIONS[name](X)
    state = {"weight": SLOPES if name == "prelu" else SLOPES[:1]}
    found, gradient = run(backend, module("layers").activation(name, 8), state, X)
    np.testing.assert_allclose(found, value, atol=1e-7, rtol=1e-7)  # 1e-7: constants kept in float32
    np.testing.assert_allclose(gradient, derivative * WEIGHT, atol=1e-7, rtol=1e-7)


def test_an_unknown_activation_is_an_error(module: Module) -> None:
    with pytest.raises(ValueError, match="unknown activation 'relo'"):
        module("layers").activation("relo", 8)


def test_group_norm(backend: str, module: Module) -> None:
    spec = GroupNormSpec(groups=4, eps=1e-3)
    scale, shift = np.linspace(0.5, 1.5, 8), np.linspace(-1, 1, 8)
    groups = X.reshape(2, 4, -1)
    mean, deviation = groups.mean(2, keepdims=True), np.sqrt(groups.var(2, keepdims=True) + 1e-3)
    normal = ((groups - mean) / deviation).reshape(X.shape)
    value = normal * scale[:, None, None] + shift[:, None, None]
    upstream = (WEIGHT * scale[:, None, None]).reshape(2, 4, -1)
    z = normal.reshape(2, 4, -1)
    gradient = (upstream - upstream.mean(2, keepdims=True) - z * (upstream * z).mean(2, keepdims=True)) / deviation
    found = run(backend, module("layers").GroupNorm(8, spec), {"weight": scale, "bias": shift}, X)
    np.testing.assert_allclose(found[0], value, atol=1e-6)
    np.testing.assert_allclose(found[1], gradient.reshape(X.shape), atol=1e-6)
