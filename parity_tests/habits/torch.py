"""PyTorch's own ways."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.habits import GRADIENTS, MANY, PLACES, RATES, SHARE, STAIRS, START, noise, ramp

Arrays = dict[str, np.ndarray]


def batch_norm() -> Arrays:
    """Running mean and variance after a forward pass, and after the backward pass that follows."""
    layer: Any = nn.BatchNorm2d(1, momentum=SHARE).double()
    y = layer(torch.from_numpy(ramp(2, 1, 1, 2)))
    found = {"after forward": np.array([layer.running_mean.item(), layer.running_var.item()])}
    y.sum().backward()
    found["after backward"] = np.array([layer.running_mean.item(), layer.running_var.item()])
    return found


def batch_norm_of_two_maps() -> Arrays:
    """Running mean after a step in which one batch norm sees a map of mean 1.5, then one of mean 11.5."""
    layer: Any = nn.BatchNorm2d(1, momentum=SHARE).double()
    first, second = (torch.from_numpy(ramp(2, 1, 1, 2) + start) for start in (0, 10))
    (layer(first) + layer(second)).sum().backward()
    return {"mean": layer.running_mean.numpy()}


def batch_norm_of_one_value() -> Arrays:
    try:
        nn.BatchNorm2d(1)(torch.ones(1, 1, 1, 1))
    except ValueError:
        return {"refused": np.array(1)}
    return {"refused": np.array(0)}


def batch_norm_of_many_values() -> Arrays:
    return {"y": nn.BatchNorm2d(1, eps=1e-9)(torch.from_numpy(MANY)).detach().numpy()}


def resize() -> Arrays:
    x = torch.from_numpy(noise(1, 2, 5, 7))
    options: dict[str, Any] = {"mode": "bilinear", "size": (9, 4)}
    return {
        "default": F.interpolate(x, **options).numpy(),
        "half pixel": F.interpolate(x, align_corners=False, **options).numpy(),
        "corners": F.interpolate(x, align_corners=True, **options).numpy(),
        "one row": F.interpolate(x, size=(1, 4), mode="bilinear", align_corners=False).numpy(),
    }


def adaptive_pooling() -> Arrays:
    return {"3 bins of 7": F.adaptive_avg_pool2d(torch.from_numpy(noise(1, 1, 7, 7)), 3).numpy()}


def pooling() -> Arrays:
    ones, x = torch.ones(1, 1, 4, 4, dtype=torch.float64), torch.from_numpy(ramp(1, 1, 6, 6))
    return {
        "padded mean of ones": F.avg_pool2d(ones, 3, 2, 1).numpy(),
        "floor": F.max_pool2d(x, 3, 2, 0).numpy(),
        "ceil": F.max_pool2d(x, 3, 2, 0, ceil_mode=True).numpy(),
        "last window in the padding": F.max_pool2d(x[..., :1, :1], 1, 2, 0, ceil_mode=True).numpy(),
    }


def prelu() -> Arrays:
    layer = nn.PReLU(3).double()
    with torch.no_grad():
        layer.weight.fill_(0.1)
    return {"shape": np.array(layer.weight.shape), "of -1": layer(-torch.ones(1, 3, 1, 1).double()).detach().numpy()}


def group_norm() -> Arrays:
    layer = nn.GroupNorm(2, 4).double()
    y = layer(torch.from_numpy(noise(2, 4, 3, 3)))
    return {"scale shape": np.array(layer.weight.shape), "y": y.detach().numpy(), "eps": np.array(layer.eps)}


def linear() -> Arrays:
    return {"weight shape of 3 to 5": np.array(nn.Linear(3, 5).weight.shape)}


def softmax_far_apart() -> Arrays:
    """-log of the probability of the second class."""
    x = torch.tensor([[0.0, -100.0]], dtype=torch.float64)
    return {"loss": np.array(F.cross_entropy(x, torch.tensor([1])).item()), "log softmax": F.log_softmax(x, 1).numpy()}


def gelu() -> Arrays:
    return {"default": F.gelu(torch.from_numpy(np.linspace(-3, 3, 13))).numpy()}


def _trajectory(make: Any) -> np.ndarray:
    weight = nn.Parameter(torch.from_numpy(START.copy()))
    optimizer = make([weight])
    path = []
    for gradient, rate in zip(GRADIENTS, RATES):
        for group in optimizer.param_groups:
            group["lr"] = rate
        weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        path.append(weight.detach().numpy().copy())
    return np.stack(path)


def optimizers() -> Arrays:
    return {
        "sgd": _trajectory(lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9)),
        "sgd, decay": _trajectory(lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9, weight_decay=0.1)),
        "adam": _trajectory(lambda p: torch.optim.Adam(p, lr=1.0)),
        "adamw": _trajectory(lambda p: torch.optim.AdamW(p, lr=1.0, weight_decay=0.1)),
    }


def decay_defaults() -> Arrays:
    defaults = {
        name: inspect.signature(getattr(torch.optim, name)).parameters["weight_decay"].default
        for name in ("SGD", "Adam", "AdamW")
    }
    return {name: np.array(float(value)) for name, value in defaults.items()}


def cross_entropy() -> Arrays:
    """Means over two pixels of weights 1 and 3, and over two of which one is ignored."""
    x, y = torch.zeros(1, 2, 1, 2, dtype=torch.float64), torch.tensor([[[0, 1]]])
    x[0, 0] = 1.0
    weight = torch.tensor([1.0, 3.0], dtype=torch.float64)
    return {
        "weighted mean": np.array(F.cross_entropy(x, y, weight).item()),
        "one ignored": np.array(F.cross_entropy(x, torch.tensor([[[0, 255]]]), ignore_index=255).item()),
        "all ignored": np.array(F.cross_entropy(x, torch.full((1, 1, 2), 255), ignore_index=255).item()),
    }


def from_float64() -> Arrays:
    return {
        "bytes": np.array(torch.tensor(np.ones(1)).element_size()),
        "of a list": np.array(torch.tensor([1.0]).element_size()),
    }


def dropout() -> Arrays:
    torch.manual_seed(0)
    x = torch.ones(10_000)
    return {"train": F.dropout(x, 0.25, True).unique().numpy(), "inference": F.dropout(x, 0.25, False).unique().numpy()}


def argmax() -> Arrays:
    return {"of ties": torch.tensor([[1.0, 2.0, 2.0]]).argmax(1).numpy()}


def repeated() -> Arrays:
    """The gradient of a convolution, three times."""
    found = []
    for _ in range(3):
        x = torch.from_numpy(noise(2, 8, 32, 32).astype(np.float32)).requires_grad_()
        weight: Any = torch.from_numpy(noise(8, 8, 3, 3, seed=1).astype(np.float32)).requires_grad_()
        F.conv2d(x, weight, padding=1).square().sum().backward()
        found.append(weight.grad.numpy())
    return {"gradients": np.stack(found)}


def constants() -> Arrays:
    """Batch norm in inference mode of 1 with variance 0, in float64: sqrt(1 / epsilon); and its momentum's trace."""
    layer: Any = nn.BatchNorm2d(1, eps=1e-3, momentum=0.1).double()
    layer.running_var.zero_()
    layer.eval()
    y = layer(torch.ones(1, 1, 1, 1, dtype=torch.float64))
    layer.train()
    layer(torch.from_numpy(ramp(1, 1, 2, 2)))
    return {"scale": y.detach().numpy(), "mean": layer.running_mean.numpy()}


def sampling() -> Arrays:
    """The slope of STAIRS at its own places, in places, as a position's gradient has it."""
    places = torch.from_numpy(PLACES).requires_grad_()
    F.grid_sample(
        torch.from_numpy(STAIRS), places, mode="bilinear", padding_mode="zeros", align_corners=True
    ).sum().backward()
    return {"slopes": places.grad[0, 0, :, 0].numpy() * 2 / (STAIRS.shape[3] - 1)}
