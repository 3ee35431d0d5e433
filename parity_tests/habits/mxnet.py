"""MXNet's (Gluon's) own ways."""

from __future__ import annotations

import inspect

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from mxnet.ndarray import NDArray

from parity_tests.habits import GRADIENTS, MANY, PLACES, RATES, SHARE, STAIRS, START, noise, ramp

Arrays = dict[str, np.ndarray]


def _double(array: np.ndarray) -> NDArray:
    return nd.array(array, dtype=np.float64)


def batch_norm() -> Arrays:
    """Running mean and variance after a forward pass, and after the backward pass that follows."""
    layer = nn.BatchNorm(in_channels=1, momentum=SHARE)
    layer.cast("float64")
    layer.initialize()

    def statistics() -> np.ndarray:
        return np.array([layer.running_mean.data().asscalar(), layer.running_var.data().asscalar()])

    with autograd.record():
        y = layer(_double(ramp(2, 1, 1, 2))).sum()
    y.wait_to_read()
    found = {"after forward": statistics()}
    y.backward()
    nd.waitall()
    found["after backward"] = statistics()
    return found


def batch_norm_of_two_maps() -> Arrays:
    """Running mean after a step in which one batch norm sees a map of mean 1.5, then one of mean 11.5."""
    layer = nn.BatchNorm(in_channels=1, momentum=1 - SHARE)
    layer.cast("float64")
    layer.initialize()
    first, second = (_double(ramp(2, 1, 1, 2) + start) for start in (0, 10))
    with autograd.record():
        y = (layer(first) + layer(second)).sum()
    y.backward()
    nd.waitall()
    return {"mean": layer.running_mean.data().asnumpy()}


def batch_norm_of_one_value() -> Arrays:
    layer = nn.BatchNorm(in_channels=1)
    layer.initialize()
    with autograd.record():
        y = layer(nd.ones((1, 1, 1, 1)))
    return {"refused": np.array(0), "output": y.asnumpy()}


def batch_norm_of_many_values() -> Arrays:
    layer = nn.BatchNorm(in_channels=1, epsilon=1e-9)
    layer.initialize()
    with autograd.train_mode():
        return {"y": layer(nd.array(MANY)).asnumpy()}


def fixed_gamma() -> Arrays:
    """The operator with a scale of 3: fix_gamma=False, its default, and the scale's array after that."""
    x, three, zero, one = nd.ones((1, 1, 1, 1)), nd.full((1,), 3.0), nd.zeros((1,)), nd.ones((1,))
    return {
        "fix_gamma=False": nd.BatchNorm(x, three, zero, zero, one, fix_gamma=False).asnumpy(),
        "default": nd.BatchNorm(x, three, zero, zero, one).asnumpy(),
        "scale afterwards": three.asnumpy(),
    }


def resize() -> Arrays:
    x, size = _double(noise(1, 2, 5, 7)), {"height": 9, "width": 4}
    return {
        "default": nd.contrib.BilinearResize2D(x, **size).asnumpy(),
        "half pixel": nd.contrib.BilinearResize2D(x, align_corners=False, **size).asnumpy(),
        "corners": nd.contrib.BilinearResize2D(x, align_corners=True, **size).asnumpy(),
        "one row": nd.contrib.BilinearResize2D(x, align_corners=False, height=1, width=4).asnumpy(),
    }


def adaptive_pooling() -> Arrays:
    return {"3 bins of 7": nd.contrib.AdaptiveAvgPooling2D(_double(noise(1, 1, 7, 7)), output_size=3).asnumpy()}


def pooling() -> Arrays:
    ones, x = nd.ones((1, 1, 4, 4), dtype=np.float64), _double(ramp(1, 1, 6, 6))
    window = {"kernel": (3, 3), "stride": (2, 2)}
    return {
        "padded mean of ones": nd.Pooling(ones, pool_type="avg", pad=(1, 1), **window).asnumpy(),
        "floor": nd.Pooling(x, pool_type="max", **window).asnumpy(),
        "ceil": nd.Pooling(x, pool_type="max", pooling_convention="full", **window).asnumpy(),
    }


def prelu() -> Arrays:
    layer = nn.PReLU(alpha_initializer=mx.init.Constant(0.1), in_channels=3)
    layer.cast("float64")
    layer.initialize()
    return {
        "shape": np.array(layer.alpha.shape),
        "default shape": np.array(nn.PReLU().alpha.shape),
        "of -1": layer(-nd.ones((1, 3, 1, 1), dtype=np.float64)).asnumpy(),
    }


def group_norm() -> Arrays:
    layer = nn.GroupNorm(num_groups=2)
    layer.cast("float64")
    layer.initialize()
    y = layer(_double(noise(2, 4, 3, 3)))
    return {"scale shape": np.array(layer.gamma.shape), "y": y.asnumpy(), "eps": np.array(layer._kwargs["eps"])}


def linear() -> Arrays:
    return {"weight shape of 3 to 5": np.array(nn.Dense(5, in_units=3).weight.shape)}


def softmax_far_apart() -> Arrays:
    """-log of the probability of the second class."""
    x = _double(np.array([[0.0, -100.0]]))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()(x, nd.array([1]))
    return {"loss": loss.asnumpy()[0], "log softmax": nd.log_softmax(x, axis=1).asnumpy()}


def gelu() -> Arrays:
    return {"default": nd.LeakyReLU(_double(np.linspace(-3, 3, 13)), act_type="gelu").asnumpy()}


def _trajectory(name: str, **options: float) -> np.ndarray:
    weight = gluon.Parameter("weight", shape=(len(START),), dtype=np.float64)
    weight.initialize()
    weight.set_data(_double(START))
    trainer = gluon.Trainer([weight], name, {"learning_rate": 1.0, **options})
    path = []
    for gradient, rate in zip(GRADIENTS, RATES):
        trainer.set_learning_rate(rate)
        with autograd.record():
            loss = (weight.data() * _double(gradient)).sum()
        loss.backward()
        trainer.step(1)
        path.append(weight.data().asnumpy())
    return np.stack(path)


def optimizers() -> Arrays:
    return {
        "sgd": _trajectory("sgd", momentum=0.9),
        "sgd, decay": _trajectory("sgd", momentum=0.9, wd=0.1),
        "adam": _trajectory("adam"),
    }


def trainer_step() -> Arrays:
    """What Trainer.step(4) does to a gradient of 1 at a rate of 1: the weight, from 0."""
    weight = gluon.Parameter("weight", shape=(1,))
    weight.initialize(mx.init.Zero())
    trainer = gluon.Trainer([weight], "sgd", {"learning_rate": 1.0})
    with autograd.record():
        loss = weight.data().sum()
    loss.backward()
    trainer.step(4)
    return {"weight": weight.data().asnumpy()}


def decay_defaults() -> Arrays:
    default = inspect.signature(mx.optimizer.Optimizer).parameters["wd"].default
    return {"SGD": np.array(float(default)), "Adam": np.array(float(default))}


def cross_entropy() -> Arrays:
    """Gluon's loss of two pixels, one of them labelled 255: it knows no label to ignore."""
    x = _double(np.array([[[[1.0, 1.0]], [[0.0, 0.0]]]]))
    loss = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    return {"two": loss(x, nd.array([[[0, 1]]])).asnumpy(), "one of 255": loss(x, nd.array([[[0, 255]]])).asnumpy()}


def from_float64() -> Arrays:
    made = nd.array(np.ones(1))
    return {
        "bytes": np.array(np.dtype(made.dtype).itemsize),
        "of a list": np.array(np.dtype(nd.array([1.0]).dtype).itemsize),
    }


def dropout() -> Arrays:
    mx.random.seed(0)
    x = nd.ones((10_000,))
    with autograd.train_mode():
        train = nd.Dropout(x, p=0.25).asnumpy()
    return {"train": np.unique(train), "inference": np.unique(nd.Dropout(x, p=0.25).asnumpy())}


def argmax() -> Arrays:
    return {"of ties": nd.array([[1.0, 2.0, 2.0]]).argmax(1).asnumpy()}


def repeated() -> Arrays:
    """The gradient of a convolution, three times."""
    found = []
    for _ in range(3):
        x, weight = nd.array(noise(2, 8, 32, 32)), nd.array(noise(8, 8, 3, 3, seed=1))
        weight.attach_grad()
        with autograd.record():
            y = nd.Convolution(x, weight, no_bias=True, kernel=(3, 3), pad=(1, 1), num_filter=8).square().sum()
        y.backward()
        found.append(weight.grad.asnumpy())
    return {"gradients": np.stack(found)}


def constants() -> Arrays:
    """Batch norm in inference mode of 1 with variance 0, in float64: sqrt(1 / epsilon); and its momentum's trace."""
    layer = nn.BatchNorm(in_channels=1, epsilon=1e-3, momentum=0.9, running_variance_initializer="zeros")
    layer.cast("float64")
    layer.initialize()
    scale = layer(nd.ones((1, 1, 1, 1), dtype=np.float64)).asnumpy()
    with autograd.record():
        y = layer(_double(ramp(1, 1, 2, 2))).sum()
    y.backward()
    nd.waitall()
    return {"scale": scale, "mean": layer.running_mean.data().asnumpy()}


def sampling() -> Arrays:
    """The slope of STAIRS at its own places, in places, as a position's gradient has it."""
    stairs, places = _double(STAIRS), _double(PLACES.transpose(0, 3, 1, 2))
    places.attach_grad()
    with autograd.record():
        total = nd.BilinearSampler(stairs, places).sum()
    total.backward()
    return {"slopes": places.grad.asnumpy()[0, 0, 0] * 2 / (STAIRS.shape[3] - 1)}


def deformable() -> Arrays:
    """Whether the deformable convolution's own operator has a backward pass on a processor."""
    x, offset, mask, weight = (nd.ones(shape) for shape in ((1, 1, 3, 3), (1, 2, 3, 3), (1, 1, 3, 3), (1, 1, 1, 1)))
    x.attach_grad()
    with autograd.record():
        y = nd.contrib.ModulatedDeformableConvolution(
            x, offset, mask, weight, kernel=(1, 1), num_filter=1, num_deformable_group=1, no_bias=True
        )
    try:
        y.backward()
        x.grad.wait_to_read()
    except mx.MXNetError as error:
        return {"refused": np.array("only implemented in GPU" in str(error))}
    return {"refused": np.array(False)}
