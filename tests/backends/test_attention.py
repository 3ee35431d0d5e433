"""Attention and the resize that PaddleSeg's DANet ends in, against numpy, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Module = Callable[[str], ModuleType]

RNG = np.random.default_rng(0)
QUERY, KEY, VALUE = (RNG.normal(size=shape) for shape in ((2, 3, 7), (2, 3, 5), (2, 4, 5)))


def tensor(backend: str, array: np.ndarray) -> Any:
    if backend == "torch":
        import torch

        return torch.from_numpy(array)
    if backend == "paddle":
        import paddle

        return paddle.to_tensor(array)
    from mxnet import nd

    return nd.array(array, dtype="float64")


def first(backend: str) -> tuple[Any, ...]:
    """What a layer's function takes before its arrays."""
    if backend != "mxnet":
        return ()
    from mxnet import nd

    return (nd,)


@contextmanager
def gradients(backend: str, asked: bool) -> Iterator[None]:
    """Whether gradients can be asked of what is computed here."""
    if backend == "torch":
        import torch

        with torch.set_grad_enabled(asked):
            yield
    elif backend == "paddle":
        import paddle

        with paddle.set_grad_enabled(asked):
            yield
    else:
        from mxnet import autograd

        with autograd.record() if asked else autograd.pause():
            yield


def numpy(backend: str, found: Any) -> np.ndarray:
    return found.asnumpy() if backend == "mxnet" else found.numpy()


@pytest.mark.parametrize("asked", [True, False], ids=["whole", "in blocks"])
@pytest.mark.parametrize("queries", [1, 3, 7, 100])
def test_attention(backend: str, module: Module, monkeypatch: pytest.MonkeyPatch, queries: int, asked: bool) -> None:
    attention = module("layers.attention")
    monkeypatch.setattr(attention, "QUERIES", queries)
    energy = np.einsum("ndl,ndm->nlm", QUERY, KEY)
    weights = np.exp(energy) / np.exp(energy).sum(axis=2, keepdims=True)
    expected = np.einsum("ncm,nlm->ncl", VALUE, weights)
    sizes: list[int] = []
    whole = attention._attend

    def counted(*arguments: Any) -> Any:
        sizes.append(arguments[-3].shape[2])
        return whole(*arguments)

    monkeypatch.setattr(attention, "_attend", counted)
    with gradients(backend, asked):
        found = attention.attend(*first(backend), *(tensor(backend, array) for array in (QUERY, KEY, VALUE)))
    assert np.abs(numpy(backend, found) - expected).max() < 1e-13
    assert sum(sizes) == 7
    assert max(sizes) == (7 if asked else min(queries, 7))


@pytest.mark.parametrize("size", [(24, 40), (23, 33), (3, 5), (2, 9), (1, 1)], ids=str)
def test_resize_from_the_first_places(backend: str, module: Module, size: tuple[int, int]) -> None:
    x = RNG.normal(size=(2, 3, 3, 5))
    expected = x
    for axis, target in zip((2, 3), size):
        source = x.shape[axis]
        position = np.minimum(np.arange(target) * source / target, source - 1)
        low = np.floor(position).astype(int)
        shape = [1, 1, 1, 1]
        shape[axis] = target
        share = (position - low).reshape(shape)
        high = np.minimum(low + 1, source - 1)
        expected = expected.take(low, axis) * (1 - share) + expected.take(high, axis) * share
    like = tensor(backend, np.zeros((1, 1, *size)))
    found = module("layers").resize_from_start(
        *first(backend), tensor(backend, x), like if backend == "mxnet" else like.shape[2:]
    )
    assert np.abs(numpy(backend, found) - expected).max() < 1e-13
