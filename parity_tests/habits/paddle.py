"""PaddlePaddle's own ways."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from parity_tests.habits import GRADIENTS, MANY, PLACES, RATES, SHARE, STAIRS, START, noise, ramp

Arrays = dict[str, np.ndarray]


def batch_norm() -> Arrays:
    """Running mean and variance after a forward pass, and after the backward pass that follows."""
    layer = nn.BatchNorm2D(1, momentum=SHARE)
    layer.to(dtype="float64")
    y = layer(paddle.to_tensor(ramp(2, 1, 1, 2)))
    found = {"after forward": np.array([layer._mean.item(), layer._variance.item()])}
    y.sum().backward()
    found["after backward"] = np.array([layer._mean.item(), layer._variance.item()])
    return found


def batch_norm_of_two_maps() -> Arrays:
    """Running mean after a step in which one batch norm sees a map of mean 1.5, then one of mean 11.5."""
    layer = nn.BatchNorm2D(1, momentum=1 - SHARE)
    layer.to(dtype="float64")
    first, second = (paddle.to_tensor(ramp(2, 1, 1, 2) + start) for start in (0, 10))
    (layer(first) + layer(second)).sum().backward()
    return {"mean": layer._mean.numpy()}


def batch_norm_of_one_value() -> Arrays:
    y = nn.BatchNorm2D(1)(paddle.ones([1, 1, 1, 1]))
    return {"refused": np.array(0), "output": y.numpy()}


def batch_norm_of_many_values() -> Arrays:
    return {"y": nn.BatchNorm2D(1, epsilon=1e-9)(paddle.to_tensor(MANY)).numpy()}


def resize() -> Arrays:
    x = paddle.to_tensor(noise(1, 2, 5, 7))
    options: dict[str, Any] = {"mode": "bilinear", "size": [9, 4]}
    return {
        "default": F.interpolate(x, **options).numpy(),
        "half pixel": F.interpolate(x, align_corners=False, align_mode=0, **options).numpy(),
        "corners": F.interpolate(x, align_corners=True, **options).numpy(),
        "align_mode 1": F.interpolate(x, align_corners=False, align_mode=1, **options).numpy(),
        "one row": F.interpolate(x, size=[1, 4], mode="bilinear", align_corners=False).numpy(),
    }


def adaptive_pooling() -> Arrays:
    return {"3 bins of 7": F.adaptive_avg_pool2d(paddle.to_tensor(noise(1, 1, 7, 7)), 3).numpy()}


def pooling() -> Arrays:
    ones, x = paddle.ones([1, 1, 4, 4], dtype="float64"), paddle.to_tensor(ramp(1, 1, 6, 6))
    return {
        "padded mean of ones": F.avg_pool2d(ones, 3, 2, 1).numpy(),
        "padded mean of ones, not exclusive": F.avg_pool2d(ones, 3, 2, 1, exclusive=False).numpy(),
        "floor": F.max_pool2d(x, 3, 2, 0).numpy(),
        "ceil": F.max_pool2d(x, 3, 2, 0, ceil_mode=True).numpy(),
        "last window in the padding": F.max_pool2d(x[..., :1, :1], 1, 2, 0, ceil_mode=True).numpy(),
    }


def prelu() -> Arrays:
    layer = nn.PReLU(3)
    layer.to(dtype="float64")
    layer._weight.set_value(np.full(3, 0.1))
    return {"shape": np.array(layer._weight.shape), "of -1": layer(-paddle.ones([1, 3, 1, 1], dtype="float64")).numpy()}


def group_norm() -> Arrays:
    layer = nn.GroupNorm(2, 4)
    layer.to(dtype="float64")
    y = layer(paddle.to_tensor(noise(2, 4, 3, 3)))
    return {"scale shape": np.array(layer.weight.shape), "y": y.numpy(), "eps": np.array(layer._epsilon)}


def linear() -> Arrays:
    return {"weight shape of 3 to 5": np.array(nn.Linear(3, 5).weight.shape)}


def softmax_far_apart() -> Arrays:
    """-log of the probability of the second class."""
    x = paddle.to_tensor(np.array([[0.0, -100.0]]))
    loss = F.cross_entropy(x, paddle.to_tensor([1]))
    return {"loss": np.array(loss.item()), "log softmax": F.log_softmax(x, axis=1).numpy()}


def gelu() -> Arrays:
    return {"default": F.gelu(paddle.to_tensor(np.linspace(-3, 3, 13))).numpy()}


def _trajectory(make: Any) -> np.ndarray:
    weight = paddle.create_parameter([len(START)], dtype="float64")
    weight.set_value(START)
    optimizer = make([weight])
    path = []
    for gradient, rate in zip(GRADIENTS, RATES):
        optimizer.set_lr(rate)
        weight.grad = paddle.to_tensor(gradient)
        optimizer.step()
        path.append(weight.numpy().copy())
    return np.stack(path)


def optimizers() -> Arrays:
    momentum = paddle.optimizer.Momentum
    return {
        "sgd": _trajectory(lambda p: momentum(1.0, momentum=0.9, parameters=p)),
        "sgd, decay": _trajectory(lambda p: momentum(1.0, momentum=0.9, parameters=p, weight_decay=0.1)),
        "adam": _trajectory(lambda p: paddle.optimizer.Adam(1.0, parameters=p)),
        "adamw": _trajectory(lambda p: paddle.optimizer.AdamW(1.0, parameters=p, weight_decay=0.1)),
    }


def decay_defaults() -> Arrays:
    defaults = {
        name: inspect.signature(getattr(paddle.optimizer, own)).parameters["weight_decay"].default
        for name, own in (("SGD", "Momentum"), ("Adam", "Adam"), ("AdamW", "AdamW"))
    }
    return {name: np.array(float(value or 0.0)) for name, value in defaults.items()}


def cross_entropy() -> Arrays:
    """Means over two pixels of weights 1 and 3, and over two of which one is ignored."""
    x = paddle.to_tensor(np.array([[[[1.0, 1.0]], [[0.0, 0.0]]]]))
    weight = paddle.to_tensor([1.0, 3.0], dtype="float64")

    def mean(labels: list[int], **options: Any) -> np.ndarray:
        return np.array(F.cross_entropy(x, paddle.to_tensor([[labels]]), axis=1, **options).item())

    return {
        "weighted mean": mean([0, 1], weight=weight),
        "one ignored": mean([0, 255], ignore_index=255),
        "all ignored": mean([255, 255], ignore_index=255),
    }


def from_float64() -> Arrays:
    return {
        "bytes": np.array(paddle.to_tensor(np.ones(1)).element_size()),
        "of a list": np.array(paddle.to_tensor([1.0]).element_size()),
    }


def dropout() -> Arrays:
    paddle.seed(0)
    x = paddle.ones([100, 100])
    scaled: dict[str, Any] = {"p": 0.25, "mode": "downscale_in_infer"}
    return {
        "train": F.dropout(x, 0.25, training=True).unique().numpy(),
        "inference": F.dropout(x, 0.25, training=False).unique().numpy(),
        "train, downscale_in_infer": F.dropout(x, training=True, **scaled).unique().numpy(),
        "inference, downscale_in_infer": F.dropout(x, training=False, **scaled).unique().numpy(),
    }


def argmax() -> Arrays:
    return {"of ties": paddle.to_tensor([[1.0, 2.0, 2.0]]).argmax(1).numpy()}


def repeated() -> Arrays:
    """The gradient of a convolution, three times."""
    found = []
    for _ in range(3):
        x = paddle.to_tensor(noise(2, 8, 32, 32).astype(np.float32))
        weight: Any = paddle.to_tensor(noise(8, 8, 3, 3, seed=1).astype(np.float32), stop_gradient=False)
        F.conv2d(x, weight, padding=1).square().sum().backward()
        found.append(weight.grad.numpy())
    return {"gradients": np.stack(found)}


def static_graph() -> Arrays:
    """A weight's gradient after a backward pass at each of two sizes; then after the second alone."""
    found = {}
    for kind, sizes in (("eager", (4, 5)), ("static", (4, 5)), ("second alone", (5,))):
        paddle.seed(0)
        layer: Any = nn.Conv2D(1, 1, 3, bias_attr=False)
        call = paddle.jit.to_static(layer, full_graph=True) if kind == "static" else layer
        for size in sizes:
            call(paddle.to_tensor(noise(1, 1, size, size).astype(np.float32))).square().sum().backward()
        found[kind] = layer.weight.grad.numpy()
    return found


def constants() -> Arrays:
    """Batch norm in inference mode of 1 with variance 0, in float64: sqrt(1 / epsilon); and its momentum's trace."""
    layer = nn.BatchNorm2D(1, epsilon=1e-3, momentum=0.9)
    layer.to(dtype="float64")
    layer._variance.set_value(np.zeros(1))
    layer.eval()
    y = layer(paddle.ones([1, 1, 1, 1], dtype="float64"))
    layer.train()
    layer(paddle.to_tensor(ramp(1, 1, 2, 2)))
    return {"scale": y.numpy(), "mean": layer._mean.numpy()}


def sampling() -> Arrays:
    """The slope of STAIRS at its own places, in places, as a position's gradient has it."""
    # A map without a gradient of its own would end the process in the backward pass.
    stairs, places = (paddle.to_tensor(array, stop_gradient=False) for array in (STAIRS, PLACES))
    F.grid_sample(stairs, places, mode="bilinear", padding_mode="zeros", align_corners=True).sum().backward()
    return {"slopes": places.grad[0, 0, :, 0].numpy() * 2 / (STAIRS.shape[3] - 1)}
