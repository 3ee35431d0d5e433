"""Reading maps between their places and the deformable convolution, against loops in numpy: values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Module = Callable[[str], ModuleType]

STEP = 1e-6
N, C, H, W = 2, 4, 5, 6
KERNEL, GROUPS, WIDTH = 3, 2, 6
TAPS = KERNEL * KERNEL


def read_at(x: np.ndarray, row: float, column: float) -> np.ndarray:
    """[C]: bilinear reading of [C, h, w]; places outside are 0."""
    top, left = int(np.floor(row)), int(np.floor(column))
    value = np.zeros(len(x))
    for i, j in product((top, top + 1), (left, left + 1)):
        if 0 <= i < x.shape[1] and 0 <= j < x.shape[2]:
            value += (1 - abs(row - i)) * (1 - abs(column - j)) * x[:, i, j]
    return value


def sample(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    value = np.zeros((*x.shape[:2], *rows.shape[1:]))
    for n, i, j in np.ndindex(rows.shape):
        value[n, :, i, j] = read_at(x[n], rows[n, i, j], columns[n, i, j])
    return value


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """3x3 with a border of zeros."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [
        np.einsum("oc,nchw->nohw", weight[:, :, i, j], padded[:, :, i : i + x.shape[2], j : j + x.shape[3]])
        for i, j in product(range(3), repeat=2)
    ]
    return sum(parts) + bias[:, None, None]


def deformable(x: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    said = convolve(x, state["offset.weight"], state["offset.bias"])
    offset, mask = said[:, : 2 * GROUPS * TAPS], 2 / (1 + np.exp(-said[:, 2 * GROUPS * TAPS :]))
    each = x.shape[1] // GROUPS
    value = np.zeros((len(x), WIDTH, *x.shape[2:])) + state["bias"][:, None, None]
    for n, i, j in np.ndindex(len(x), *x.shape[2:]):
        for g, tap in product(range(GROUPS), range(TAPS)):
            k = g * TAPS + tap
            row = i + tap // KERNEL - 1 + offset[n, 2 * k, i, j]
            column = j + tap % KERNEL - 1 + offset[n, 2 * k + 1, i, j]
            channels = slice(g * each, (g + 1) * each)
            read = read_at(x[n, channels], row, column) * mask[n, k, i, j]
            value[n, :, i, j] += state["weight"][:, channels, tap // KERNEL, tap % KERNEL] @ read
    return value


def run(
    backend: str, call: Callable[..., Any], arrays: Sequence[np.ndarray], upstream: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """(value, gradients at the arrays of the sum of `upstream` times it), in float64."""
    if backend == "torch":
        import torch

        given = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
        y = call(*given)
        (y * torch.from_numpy(upstream)).sum().backward()
        return y.detach().numpy(), [each.grad.numpy() for each in given]
    if backend == "paddle":
        import paddle

        given = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
        y = call(*given)
        (y * paddle.to_tensor(upstream)).sum().backward()
        return y.numpy(), [each.grad.numpy() for each in given]
    from mxnet import autograd, nd

    given = [nd.array(array, dtype="float64") for array in arrays]
    for each in given:
        each.attach_grad()
    with autograd.record():
        y = call(*given)
        total = (y * nd.array(upstream, dtype="float64")).sum()
    total.backward()
    return y.asnumpy(), [each.grad.asnumpy() for each in given]


def layer(name: str, backend: str, module: Module) -> Callable[..., Any]:
    """A function of the layers; MXNet's take the module of operators first."""
    function = getattr(module("layers"), name)
    if backend != "mxnet":
        return function
    from mxnet import nd

    return lambda *arrays: function(nd, *arrays)


def slope(function: Callable[..., np.ndarray], at: Sequence[np.ndarray], along: Sequence[np.ndarray]) -> np.ndarray:
    """Derivative by finite differences."""
    after, before = (function(*(a + s * STEP * d for a, d in zip(at, along))) for s in (1, -1))
    return (after - before) / (2 * STEP)


def test_sample(backend: str, module: Module) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(N, C, H, W))
    rows, columns = draw.uniform(-2, H + 1, (N, 3, 7)), draw.uniform(-2, W + 1, (N, 3, 7))  # outside as well
    upstream, along = draw.normal(size=(N, C, 3, 7)), [draw.normal(size=a.shape) for a in (x, rows, columns)]
    value, gradients = run(backend, layer("sample", backend, module), (x, rows, columns), upstream)
    np.testing.assert_allclose(value, sample(x, rows, columns), atol=1e-12)
    for k, (gradient, direction) in enumerate(zip(gradients, along)):
        only = [direction * (i == k) for i, direction in enumerate(along)]
        wanted = (slope(sample, (x, rows, columns), only) * upstream).sum()
        assert (gradient * direction).sum() == pytest.approx(wanted, rel=1e-6)


def test_whole_positions_learn_from_the_place_after_them(backend: str, module: Module) -> None:
    """As at the start of a training, when a flow is 0; and nothing from a place outside."""
    draw = np.random.default_rng(1)
    x, upstream = draw.normal(size=(N, C, H, W)), draw.normal(size=(N, C, H + 1, W))
    rows, columns = np.meshgrid(np.arange(-1.0, H), np.arange(float(W)), indexing="ij")
    positions = [np.tile(side, (N, 1, 1)) for side in (rows, columns)]
    value, (_, down, across) = run(backend, layer("sample", backend, module), (x, *positions), upstream)
    around = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 1)))  # places outside are 0
    np.testing.assert_array_equal(value, around[:, :, :-1, :-1])
    steps = (np.diff(around, axis=2)[:, :, :, :-1] * upstream).sum(1)
    steps[:, 0] = 0  # a whole place outside
    np.testing.assert_allclose(down, steps, atol=1e-12)
    np.testing.assert_allclose(across, (np.diff(around, axis=3)[:, :, :-1] * upstream).sum(1), atol=1e-12)


def test_warp(backend: str, module: Module) -> None:
    draw = np.random.default_rng(2)
    x, flow = draw.normal(size=(N, C, H, W)), draw.normal(size=(N, 2, H, W))
    value, _ = run(backend, layer("warp", backend, module), (x, flow), np.ones_like(x))
    rows, columns = np.meshgrid(np.arange(H), np.arange(W), indexing="ij")
    np.testing.assert_allclose(value, sample(x, rows + flow[:, 1], columns + flow[:, 0]), atol=1e-12)


def block(backend: str, module: Module, state: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
    """A deformable convolution in float64 with that state, and its parameters by name."""
    built = module("layers").DeformableConv(C, WIDTH, KERNEL, GROUPS)
    if backend == "torch":
        import torch

        parameters = dict(built.double().named_parameters())
        for name, parameter in parameters.items():
            parameter.data.copy_(torch.from_numpy(state[name]))
        return built, parameters
    if backend == "paddle":
        built = built.to(dtype="float64")
        parameters = dict(built.named_parameters())
        for name, parameter in parameters.items():
            parameter.set_value(state[name])
        return built, parameters
    from mxnet import nd

    built.initialize()
    built.cast("float64")
    parameters = built._collect_params_with_prefix()
    for name, parameter in parameters.items():
        parameter.set_data(nd.array(state[name], dtype="float64"))
    return built, parameters


def gradient_of(parameter: Any) -> np.ndarray:
    grad = parameter.grad() if callable(parameter.grad) else parameter.grad
    return grad.asnumpy() if hasattr(grad, "asnumpy") else grad.numpy()


def deformable_state(draw: np.random.Generator, spread: float) -> dict[str, np.ndarray]:
    count = 3 * GROUPS * TAPS
    return {
        "weight": draw.normal(size=(WIDTH, C, KERNEL, KERNEL)),
        "bias": draw.normal(size=WIDTH),
        "offset.weight": spread * draw.normal(size=(count, C, KERNEL, KERNEL)),
        "offset.bias": spread * draw.normal(size=count),
    }


def test_deformable_convolution(backend: str, module: Module) -> None:
    draw = np.random.default_rng(3)
    x, upstream = draw.normal(size=(N, C, H, W)), draw.normal(size=(N, WIDTH, H, W))
    state = deformable_state(draw, 0.4)  # offsets of some places, beyond the border as well
    built, parameters = block(backend, module, state)
    value, (gradient,) = run(backend, built, (x,), upstream)
    np.testing.assert_allclose(value, deformable(x, state), atol=1e-12)
    along = draw.normal(size=x.shape)
    wanted = (slope(lambda a: deformable(a, state), (x,), (along,)) * upstream).sum()
    assert (gradient * along).sum() == pytest.approx(wanted, rel=1e-6)
    assert set(parameters) == set(state)
    for name, parameter in parameters.items():
        along = draw.normal(size=state[name].shape)
        wanted = (
            slope(lambda a, name=name: deformable(x, {**state, name: a}), (state[name],), (along,)) * upstream
        ).sum()
        assert (gradient_of(parameter) * along).sum() == pytest.approx(wanted, rel=1e-6), name


def test_deformable_convolution_starts_as_a_plain_one(backend: str, module: Module) -> None:
    """Without offsets it is the convolution, and the offsets learn from the places after those they read."""
    draw = np.random.default_rng(4)
    x, upstream = draw.normal(size=(N, C, H, W)), draw.normal(size=(N, WIDTH, H, W))
    state = deformable_state(draw, 0.0)
    built, parameters = block(backend, module, state)
    value, _ = run(backend, built, (x,), upstream)
    np.testing.assert_allclose(value, convolve(x, state["weight"], state["bias"]), atol=1e-12)
    found = gradient_of(parameters["offset.bias"])
    around = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    each = C // GROUPS
    for g, tap in product(range(GROUPS), range(TAPS)):
        i, j = tap // KERNEL - 1 + 2, tap % KERNEL - 1 + 2
        channels = slice(g * each, (g + 1) * each)
        here, below, beside = (
            around[:, channels, i + a : i + a + H, j + b : j + b + W] for a, b in ((0, 0), (1, 0), (0, 1))
        )
        rows, columns = np.arange(H) + i - 2, np.arange(W) + j - 2
        inside = (rows > -1)[:, None] & (columns > -1)
        back = np.einsum("oc,nohw->nchw", state["weight"][:, channels, i - 1, j - 1], upstream) * inside
        k = 2 * (g * TAPS + tap)
        assert found[k] == pytest.approx(((below - here) * back).sum(), abs=1e-9)
        assert found[k + 1] == pytest.approx(((beside - here) * back).sum(), abs=1e-9)
