"""Attention, and the pooling and the resize that networks of attention brought, against numpy, in float64."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.arch import build
from core.initialize import initial_state

Module = Callable[[str], ModuleType]

RNG = np.random.default_rng(0)
QUERY, KEY, VALUE = (RNG.normal(size=shape) for shape in ((2, 3, 3, 4), (2, 3, 3, 4), (2, 5, 3, 4)))


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


def attention_by_definition(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    energy = np.einsum("ndhw,ndij->nhwij", query, key)
    weights = np.exp(energy) / np.exp(energy).sum(axis=(3, 4), keepdims=True)
    found: np.ndarray = np.einsum("ncij,nhwij->nchw", value, weights)
    return found


@pytest.mark.parametrize("asked", [True, False], ids=["whole", "in blocks"])
@pytest.mark.parametrize("queries", [1, 5, 12, 100])
def test_attention(backend: str, module: Module, monkeypatch: pytest.MonkeyPatch, queries: int, asked: bool) -> None:
    attention = module("layers.attention")
    monkeypatch.setattr(attention, "QUERIES", queries)
    sizes: list[int] = []
    whole = attention._attend

    def counted(*arguments: Any) -> Any:
        sizes.append(arguments[-3].shape[2])
        return whole(*arguments)

    monkeypatch.setattr(attention, "_attend", counted)
    with gradients(backend, asked):
        found = attention.attend(*first(backend), *(tensor(backend, array) for array in (QUERY, KEY, VALUE)))
    assert np.abs(numpy(backend, found) - attention_by_definition(QUERY, KEY, VALUE)).max() < 1e-13
    assert sum(sizes) == 12
    assert max(sizes) == (12 if asked else min(queries, 12))


def test_attention_of_a_hybridized_network_is_in_blocks(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MXNet's DANet attends to blocks in inference, before and after training passes, and trains as a graph."""
    if backend != "mxnet":
        pytest.skip("the others have no graph unless it is asked for")
    from mxnet import autograd, nd

    from backends.mxnet.layers import attention
    from backends.mxnet.models import build_model
    from backends.mxnet.state import set_state

    spec = build("danet_tiny", 3, {})
    model = build_model(spec)
    set_state(model, initial_state(spec.parameters(), 0))
    kinds: list[tuple[str, int | None]] = []
    whole = attention._attend

    def counted(F: ModuleType, query: Any, key: Any, value: Any) -> Any:
        kinds.append((type(query).__name__, query.shape[2] if isinstance(query, nd.NDArray) else None))
        return whole(F, query, key, value)

    monkeypatch.setattr(attention, "_attend", counted)
    for height, width in ((64, 64), (64, 96)):
        x = nd.array(RNG.normal(size=(2, 3, height, width)))
        monkeypatch.setattr(attention, "QUERIES", 10_000)
        expected = model(x)[0].asnumpy()
        monkeypatch.setattr(attention, "QUERIES", 50)
        kinds.clear()
        found = model(x)[0].asnumpy()
        places = height * width // 64
        assert kinds == [("NDArray", min(50, places - start)) for start in range(0, places, 50)]
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
        kinds.clear()
        with autograd.record():
            outputs = model(x)
        nd.waitall()
        assert len(outputs) == len(spec.outputs())
        assert {kind for kind, _ in kinds} <= {"Symbol"}


def test_attention_is_in_blocks_where_sizes_repeat(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor's graphs, made when a size comes the third time, attend to no more places at once."""
    attention = importlib.import_module(f"backends.{backend}.layers.attention")
    inference = importlib.import_module(f"backends.{backend}.inference")
    monkeypatch.setattr(attention, "QUERIES", 50)
    sizes: list[int] = []
    whole = attention._attend

    def counted(*arguments: Any) -> Any:
        sizes.append(int(arguments[-3].shape[2]))
        return whole(*arguments)

    monkeypatch.setattr(attention, "_attend", counted)
    spec = build("danet_tiny", 3, {}).for_inference()
    predictor = inference.Predictor(spec, initial_state(spec.parameters(), 0), "cpu")
    images = RNG.normal(size=(1, 3, 64, 64)).astype(np.float32)
    first = predictor.logits(images, (64, 64))
    for _ in range(3):
        again = predictor.logits(images, (64, 64))
    assert np.abs(again - first).max() <= 1e-4 * np.abs(first).max()
    assert set(sizes) == {50, 14}
    if backend != "mxnet":  # whose graph of the whole network would attend to all places
        assert predictor.graphs.has(images.shape)


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


def criss_cross_by_loops(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The paper's definition, place by place: a softmax over the column and the rest of the row."""
    result = np.zeros_like(value)
    pictures, _, height, width = query.shape
    for n, row, column in np.ndindex(pictures, height, width):
        places = [(i, column) for i in range(height)] + [(row, j) for j in range(width) if j != column]
        energy = np.array([query[n, :, row, column] @ key[n, :, i, j] for i, j in places])
        weights = np.exp(energy - energy.max())
        weights /= weights.sum()
        result[n, :, row, column] = sum(weight * value[n, :, i, j] for weight, (i, j) in zip(weights, places))
    return result


@pytest.mark.parametrize("size", [(4, 6), (7, 3), (1, 5), (5, 1), (1, 1)], ids=str)
def test_criss_cross(backend: str, module: Module, size: tuple[int, int]) -> None:
    query, key, value = (RNG.normal(size=(2, channels, *size)) * 3 for channels in (3, 3, 4))
    given = [tensor(backend, array) for array in (query, key, value)]
    found = module("layers").criss_cross(*first(backend), *given)
    assert np.abs(numpy(backend, found) - criss_cross_by_loops(query, key, value)).max() < 1e-12


def test_twice_criss_cross_sees_every_place(backend: str, module: Module) -> None:
    """A change of one value reaches its column and row in one pass, all places in two (arXiv:1811.11721, figure 3)."""
    values = np.zeros((1, 1, 4, 5))
    values[0, 0, 1, 2] = 1.0
    nothing = tensor(backend, np.zeros((1, 2, 4, 5)))

    def mean(x: Any) -> Any:
        return module("layers").criss_cross(*first(backend), nothing, nothing, x)

    once = mean(tensor(backend, values))
    twice = numpy(backend, mean(once))[0, 0]
    reached = numpy(backend, once)[0, 0] > 0
    cross = np.zeros((4, 5), bool)
    cross[1, :] = cross[:, 2] = True
    assert (reached == cross).all()
    assert (twice > 0).all()


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("size", [(8, 12), (9, 7), (4, 5)], ids=str)
def test_reduce_pool(backend: str, module: Module, size: tuple[int, int], factor: int) -> None:
    x = RNG.normal(size=(2, 3, *size))
    bins = [side // factor for side in size]
    expected = np.empty((2, 3, *bins))
    for i, j in np.ndindex(*bins):
        (top, bottom), (left, right) = (
            (k * side // n, -(-(k + 1) * side // n)) for k, side, n in zip((i, j), size, bins)
        )
        expected[:, :, i, j] = x[:, :, top:bottom, left:right].mean(axis=(2, 3))
    found = module("layers").reduce_pool(*first(backend), tensor(backend, x), factor)
    assert np.abs(numpy(backend, found) - expected).max() < 1e-13
