"""Resizes to the nearest place and to half the sides against matrices in numpy, values and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.losses.interpolation import interpolation_matrix

Module = Callable[[str], ModuleType]
Call = Callable[[Any, Any, Any], Any]  # (F, the map, what has the size) -> a map

X = np.random.default_rng(0).normal(size=(2, 3, 9, 12))


def run(backend: str, call: Call, x: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(y = call(x), gradient at x of half the sum of y's squares), in float64; in MXNet as a graph."""
    if backend == "torch":
        import torch

        given = torch.from_numpy(x.copy()).requires_grad_()
        y = call(None, given, size)
        (y * y / 2).sum().backward()
        return y.detach().numpy(), given.grad.numpy()
    if backend == "paddle":
        import paddle

        given = paddle.to_tensor(x, stop_gradient=False)
        y = call(None, given, size)
        (y * y / 2).sum().backward()
        return y.numpy(), given.grad.numpy()
    from mxnet import autograd, nd
    from mxnet.gluon import HybridBlock

    class Block(HybridBlock):
        def hybrid_forward(self, F: ModuleType, x: Any, like: Any) -> Any:
            return call(F, x, like)

    block = Block()
    block.hybridize()
    given = nd.array(x, dtype="float64")
    given.attach_grad()
    with autograd.record():
        y = block(given, nd.zeros((1, 1, *size), dtype="float64"))
        total = (y * y / 2).sum()
    total.backward()
    return y.asnumpy(), given.grad.asnumpy()


def check(found: tuple[np.ndarray, np.ndarray], rows: np.ndarray, columns: np.ndarray) -> None:
    """y = rows @ x @ columns.T, and the gradient its adjoint at y."""
    value = rows @ X @ columns.T
    np.testing.assert_allclose(found[0], value, atol=1e-12)
    np.testing.assert_allclose(found[1], rows.T @ value @ columns, atol=1e-12)


@pytest.mark.parametrize("size", [(18, 23), (17, 24), (9, 12), (5, 30)])
def test_nearest(size: tuple[int, int], backend: str, module: Module) -> None:
    nearest = module("layers").resize_nearest
    call = (lambda F, x, like: nearest(F, x, like)) if backend == "mxnet" else (lambda F, x, size: nearest(x, size))
    matrices = [np.eye(side)[[i * side // new for i in range(new)]] for side, new in zip(X.shape[2:], size)]
    check(run(backend, call, X, size), *matrices)


@pytest.mark.parametrize("align_corners", [True, False])
def test_halved(align_corners: bool, backend: str, module: Module) -> None:
    """An odd side: with corners the last place is reached; without, pairs have their mean and the last has no part."""
    halve = module("layers").halve
    call = (
        (lambda F, x, like: halve(F, x, align_corners))
        if backend == "mxnet"
        else (lambda F, x, size: halve(x, align_corners))
    )
    matrices = []
    for side in X.shape[2:]:
        half = side // 2
        pairs = np.repeat(np.eye(half), 2, axis=1) / 2
        matrices.append(
            interpolation_matrix(side, half, True) if align_corners else np.pad(pairs, ((0, 0), (0, side - 2 * half)))
        )
    check(run(backend, call, X, (4, 6)), *matrices)
