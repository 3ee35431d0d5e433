"""MXNet's operators on maps that oneDNN keeps in blocks of channels, and whole networks: driven by parity_tests.onednn.

    python -m parity_tests.habits.layouts_mxnet '[["layers.concat", 8], ["network", "espnet_tiny", {}]]'

One JSON line when a case begins and one when it ends, so that the driver knows which one the process died in. An
error ends the process too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import backends.mxnet  # noqa: F401 (makes MXNet importable, so it stands first)

# isort: split
import mxnet as mx
import numpy as np
from mxnet import autograd, nd
from mxnet.gluon import HybridBlock, nn

from backends.mxnet import layers
from backends.mxnet.models import build_model
from backends.mxnet.state import set_state
from core.arch import build
from core.arch.parts import NormSpec
from core.initialize import initial_state

SIDES = (10, 14)
OTHER = 16  # channels of the second map

# (F, map of the width under test, map of 16 channels, width) to a map; both come from convolutions.
Function = Callable[[ModuleType, Any, Any, int], Any]


def _flat(F: ModuleType, y: Any) -> Any:
    return F.reshape(y, (0, 0, -1))


def _global(F: ModuleType, y: Any) -> Any:
    return F.Pooling(y, global_pool=True, kernel=(1, 1), pool_type="avg")


def _halves(F: ModuleType, y: Any, axis: int) -> Any:
    a, b = F.split(y, num_outputs=2, axis=axis)
    return F.relu(a) * b


FUNCTIONS: dict[str, Function] = {
    "layers.concat": lambda F, y, z, c: layers.concat(F, y, z, F.relu(y)),
    "layers.concat, two": lambda F, y, z, c: layers.concat(F, z, y),
    "layers.plain, slice, softmax": lambda F, y, z, c: F.softmax(
        F.slice(layers.plain(F, y), begin=(None, c // 2), end=(None, None)), axis=-1
    ),
    "F.slice_axis, front": lambda F, y, z, c: F.slice_axis(y, axis=1, begin=0, end=(c + 1) // 2),
    "F.slice_axis, back": lambda F, y, z, c: F.slice_axis(y, axis=1, begin=c // 2, end=None),
    "F.slice_axis, rows": lambda F, y, z, c: F.slice_axis(y, axis=2, begin=1, end=None),
    "F.slice_like": lambda F, y, z, c: F.slice_like(y, F.slice_axis(z, axis=2, begin=1, end=None), axes=(2, 3)),
    "F.split, channels": lambda F, y, z, c: _halves(F, y, 1) if c % 2 == 0 else _halves(F, F.tile(y, (1, 2, 1, 1)), 1),
    "F.split, rows": lambda F, y, z, c: _halves(F, y, 2),
    "F.concat": lambda F, y, z, c: F.concat(y, z, F.relu(y), dim=1),
    "F.concat, rows": lambda F, y, z, c: F.concat(y, F.relu(y), dim=2),
    "F.slice, front": lambda F, y, z, c: F.slice(y, begin=(None, 0), end=(None, (c + 1) // 2)),
    "F.slice, back": lambda F, y, z, c: F.slice(y, begin=(None, c // 2), end=(None, None)),
    "F.slice, rows": lambda F, y, z, c: F.slice(y, begin=(None, None, 1, 2), end=(None, None, None, None)),
    "F.softmax, last axis": lambda F, y, z, c: F.softmax(y, axis=-1),
    "F.softmax, channels": lambda F, y, z, c: F.softmax(y, axis=1),
    "F.log_softmax, channels": lambda F, y, z, c: F.log_softmax(y, axis=1),
    "F.stack": lambda F, y, z, c: F.sum(F.stack(y, F.relu(y), axis=1), axis=1),
    "F.add_n": lambda F, y, z, c: F.add_n(y, F.relu(y), 2 * y),
    "blocked + plain": lambda F, y, z, c: y + F.transpose(F.transpose(2 * y, (0, 2, 3, 1)), (0, 3, 1, 2)),
    "map used thrice": lambda F, y, z, c: F.relu(y) + y * F.sigmoid(y),
    "F.broadcast_mul": lambda F, y, z, c: F.broadcast_mul(y, F.sigmoid(_global(F, y))),
    "F.broadcast_add": lambda F, y, z, c: F.broadcast_add(y, _global(F, y)),
    "F.mean, sides": lambda F, y, z, c: F.broadcast_add(y, F.mean(y, axis=(2, 3), keepdims=True)),
    "F.max, channels": lambda F, y, z, c: F.broadcast_mul(y, F.max(y, axis=1, keepdims=True)),
    "F.reshape": lambda F, y, z, c: F.reshape_like(F.sigmoid(_flat(F, y)), y),
    "F.transpose": lambda F, y, z, c: F.transpose(y, (0, 1, 3, 2)),
    "channel shuffle": lambda F, y, z, c: F.reshape(
        F.transpose(F.reshape(layers.concat(F, y, F.relu(y)), (0, -4, 2, -1, -2)), (0, 2, 1, 3, 4)), (0, -3, -2)
    ),
    "F.batch_dot": lambda F, y, z, c: F.reshape_like(
        F.batch_dot(0.05 * F.batch_dot(_flat(F, y), _flat(F, y), transpose_b=True), _flat(F, y)), y
    ),
    "F.clip": lambda F, y, z, c: F.clip(y, 0, 1),
    "F.where": lambda F, y, z, c: F.where(y > 0, y, 0.2 * y),
    "F.pad": lambda F, y, z, c: F.pad(y, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 1, 1), constant_value=0),
    "F.tile": lambda F, y, z, c: F.tile(y, (1, 1, 2, 1)),
    "F.flip": lambda F, y, z, c: F.flip(y, axis=3),
    "F.UpSampling": lambda F, y, z, c: F.UpSampling(y, scale=2, sample_type="nearest"),
    "F.contrib.BilinearResize2D": lambda F, y, z, c: F.contrib.BilinearResize2D(y, height=11, width=15),
    "layers.resize": lambda F, y, z, c: layers.resize(F, y, F.UpSampling(z, scale=2, sample_type="nearest"), False),
    "layers.adaptive_pool": lambda F, y, z, c: layers.adaptive_pool(F, y, 3),
    "layers.strided_pool": lambda F, y, z, c: layers.strided_pool(F, y, 3),
    "max pooling": lambda F, y, z, c: F.Pooling(y, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"),
    "max pooling, full": lambda F, y, z, c: F.Pooling(
        y, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full"
    ),
    "average pooling": lambda F, y, z, c: F.Pooling(y, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg"),
    "average pooling, full": lambda F, y, z, c: F.Pooling(
        y, kernel=(3, 3), stride=(2, 2), pool_type="avg", pooling_convention="full", count_include_pad=False
    ),
    "global pooling": lambda F, y, z, c: _global(F, y),
    "sigmoid": lambda F, y, z, c: F.sigmoid(y),
    "tanh": lambda F, y, z, c: F.tanh(y),
    "leaky ReLU": lambda F, y, z, c: F.LeakyReLU(y, act_type="leaky", slope=0.1),
    "ELU": lambda F, y, z, c: F.LeakyReLU(y, act_type="elu", slope=1.0),
    "GELU": lambda F, y, z, c: F.LeakyReLU(y, act_type="gelu"),
}


def _groups(c: int) -> int:
    return next(g for g in (4, 3, 2, 7, 19, 1) if c % g == 0)


BLOCKS: dict[str, Callable[[int], HybridBlock]] = {
    "convolution 1x1": lambda c: nn.Conv2D(c, 1, in_channels=c),
    "convolution 1x3": lambda c: nn.Conv2D(c, (1, 3), padding=(0, 1), in_channels=c),
    "convolution, stride 2": lambda c: nn.Conv2D(c, 3, 2, 1, in_channels=c),
    "convolution, dilation 2": lambda c: nn.Conv2D(c, 3, padding=2, dilation=2, in_channels=c),
    "depthwise": lambda c: nn.Conv2D(c, 3, padding=1, groups=c, in_channels=c),
    "depthwise, stride 2": lambda c: nn.Conv2D(c, 3, 2, 1, groups=c, use_bias=False, in_channels=c),
    "depthwise, twice as wide": lambda c: nn.Conv2D(2 * c, 3, padding=1, groups=c, in_channels=c),
    "grouped": lambda c: nn.Conv2D(2 * c, 3, padding=1, groups=_groups(c), in_channels=c),
    "deconvolution 2x2": lambda c: nn.Conv2DTranspose(c, 2, 2, in_channels=c),
    "deconvolution 3x3": lambda c: nn.Conv2DTranspose(c, 3, 2, 1, output_padding=1, in_channels=c),
    "deconvolution 4x4 to 5 channels": lambda c: nn.Conv2DTranspose(5, 4, 2, 1, use_bias=False, in_channels=c),
    "deconvolution, depthwise": lambda c: nn.Conv2DTranspose(c, 4, 2, 1, groups=c, use_bias=False, in_channels=c),
    "layers.BatchNorm": lambda c: layers.BatchNorm(c, NormSpec()),
    "layers.PReLU": lambda c: layers.PReLU(c),
    "nn.PReLU": lambda c: nn.PReLU(in_channels=c),
    "nn.LayerNorm, channels": lambda c: nn.LayerNorm(axis=1, in_channels=c),
    "nn.Dense": lambda c: nn.Dense(8, flatten=True),
}


class Around(HybridBlock):
    """Convolution - operator - convolution: the operator meets the layout that convolutions choose, in both passes."""

    def __init__(self, operator: str, width: int) -> None:
        super().__init__()
        self.operator, self.width = operator, width
        self.before = nn.Conv2D(width, 3, padding=1, in_channels=OTHER)
        self.other = nn.Conv2D(OTHER, 3, padding=1, in_channels=OTHER)
        self.block = BLOCKS[operator](width) if operator in BLOCKS else None
        self.behind = nn.Conv2D(OTHER, 3, padding=1) if operator != "nn.Dense" else None

    def hybrid_forward(self, F: ModuleType, x: Any) -> tuple[Any, Any]:
        y, z = self.before(x), self.other(x)
        y = FUNCTIONS[self.operator](F, y, z, self.width) if self.block is None else self.block(y)
        return (y if self.behind is None else self.behind(y)), z


def _passes(operator: str, width: int, dtype: str, hybridized: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs (training, inference) and gradients (input, parameters) of the second of two iterations."""
    x = nd.array(np.random.default_rng(0).standard_normal((2, OTHER, *SIDES)))  # float32: the same for both types
    net = Around(operator, width)
    net.infer_shape(x)
    mx.random.seed(0)
    net.initialize(mx.init.Xavier())
    net.cast(dtype)
    net.hybridize(hybridized, static_alloc=hybridized)
    x = x.astype(dtype)
    x.attach_grad()
    for _ in range(2):
        with autograd.record():
            y, z = net(x)
            loss = (y * y).sum() + (z * z).sum()
        loss.backward()
    parameters = [p.grad() for p in net.collect_params().values() if p.grad_req != "null"]
    return [y.asnumpy(), net(x)[0].asnumpy()], [gradient.asnumpy() for gradient in (x.grad, *parameters)]


def _distance(exact: list[np.ndarray], got: list[np.ndarray]) -> float:
    """The largest max|a - b| / max|a|; an array that is zero but for rounding is measured by the largest of all."""
    floor = max(1e-12, 1e-2 * max(float(np.abs(a).max()) for a in exact))
    return max(float(np.abs(a - b).max()) / max(float(np.abs(a).max()), floor) for a, b in zip(exact, got))


def operator_case(operator: str, width: int) -> float:
    """Distance of float32, eager and hybridized, from float64, forward and backward."""
    outputs, gradients = _passes(operator, width, "float64", False)
    distances = []
    for hybridized in (False, True):
        got = _passes(operator, width, "float32", hybridized)
        distances += [_distance(outputs, got[0]), _distance(gradients, got[1])]
    return float(np.max(distances))


def network_case(preset: str, overrides: dict[str, Any]) -> float:
    """Relative distance of a float32 training pass's loss from float64's; infinite if a gradient is not finite."""
    spec = build(preset, overrides=overrides or None).without_dropout()
    x = np.random.default_rng(0).standard_normal((2, 3, *spec.size_at_least(64, 64))).astype(np.float32)
    losses = []
    for dtype in ("float64", "float32"):
        model = build_model(spec)
        set_state(model, initial_state(spec.parameters(), 0))
        model.cast(dtype)
        with autograd.record():
            loss = sum((logits * logits).mean() for logits in model(nd.array(x, dtype=dtype)))
        loss.backward()
        gradients = [p.grad() for p in model.collect_params().values() if p.grad_req != "null"]
        if not all(np.isfinite(gradient.asnumpy()).all() for gradient in gradients):
            return float("inf")
        losses.append(loss.asscalar())
    return float(abs(losses[1] - losses[0]) / abs(losses[0]))


def main(cases: list[list[Any]]) -> None:
    for case in cases:
        print(json.dumps({"begin": case}), flush=True)
        result: dict[str, Any]
        try:
            result = {"distance": network_case(*case[1:]) if case[0] == "network" else operator_case(*case)}
        except mx.MXNetError as error:
            result = {"error": str(error).strip().splitlines()[-1]}
        print(json.dumps({"end": case, **result}), flush=True)
        if "error" in result:
            return  # the engine would raise the error again in the cases behind it


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
