"""Optimizers by the contract of core/optim.py. MXNet's own SGD folds the learning rate into the momentum and its Adam
adds epsilon elsewhere, so the rules are written here, in MXNet's array operations."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from backends.mxnet.layers import Network
from backends.mxnet.state import parameters
from core.optim import OptimizerConfig


class Optimizer:
    """SGD, Adam or AdamW over canonical names: parameter groups, learning rate and state by name.

    The optimizer's state in canonical form is {`<slot>.<parameter name>`: array} and the number of steps done.
    Gradients are added up (`grad_req="add"`) between `zero_grad` and `step`.
    """

    def __init__(self, model: Network, config: OptimizerConfig) -> None:
        self.parameters = {name: p for name, p in parameters(model).items() if p.grad_req != "null"}
        for parameter in self.parameters.values():
            parameter.grad_req = "add"
        self.config, self.slots = config, config.slots
        self.rules = config.rules(model.spec.parameters())
        self.lr = config.lr
        self.steps = 0
        self.state = {
            f"{slot}.{name}": nd.zeros_like(parameter.data())
            for slot in self.slots
            for name, parameter in self.parameters.items()
        }

    def set_learning_rate(self, lr: float) -> None:
        self.lr = lr

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def clip_gradients(self, max_norm: float) -> None:
        """Scales all gradients by min(1, max_norm / (norm + 1e-6)), as PyTorch does."""
        gradients = [parameter.grad() for parameter in self.parameters.values()]
        norm = math.sqrt(float(nd.add_n(*[nd.square(gradient).sum() for gradient in gradients]).asscalar()))
        factor = min(1.0, max_norm / (norm + 1e-6))
        if factor < 1:
            for gradient in gradients:
                gradient *= factor

    def step(self) -> None:
        self.steps += 1
        update = self._sgd if self.config.name == "sgd" else self._adam
        for name, parameter in self.parameters.items():
            weight = parameter.data()
            if (
                not weight._fresh_grad
            ):  # as gluon.Trainer asks: no backward pass reached it, so it does not decay either
                continue
            weight._fresh_grad = False
            multiplier, decay = self.rules[name]
            update(name, weight, parameter.grad(), multiplier * self.lr, decay)

    def _sgd(self, name: str, weight: NDArray, gradient: NDArray, lr: float, decay: float) -> None:
        """buf = momentum * buf + g; w = w - lr * buf, with g = gradient + decay * w."""
        momentum, buffer = self.config.momentum, self.state[f"momentum_buffer.{name}"]
        if weight.dtype == np.float32 and not self.config.nesterov:
            # Two fused kernels: the first, at a rate of -1, only for the buffer it leaves; its weights are thrown away.
            unused = nd.empty(weight.shape, ctx=weight.context)
            nd.sgd_mom_update(weight, gradient, buffer, lr=-1.0, momentum=momentum, wd=decay, out=unused)
            nd.sgd_update(weight, buffer, lr=lr, wd=0.0, out=weight)
            return
        g = gradient + decay * weight if decay else gradient
        buffer *= momentum
        buffer += g
        weight -= lr * (g + momentum * buffer if self.config.nesterov else buffer)

    def _adam(self, name: str, weight: NDArray, gradient: NDArray, lr: float, decay: float) -> None:
        """m and v are moving averages of g and g * g; w = w - lr * m' / (sqrt(v') + epsilon), both bias-corrected."""
        beta1, beta2 = self.config.betas
        mean, square = self.state[f"exp_avg.{name}"], self.state[f"exp_avg_sq.{name}"]
        if self.config.name == "adamw":
            weight *= 1 - lr * decay
            g = gradient
        else:
            g = gradient + decay * weight if decay else gradient
        mean *= beta1
        mean += (1 - beta1) * g
        square *= beta2
        square += (1 - beta2) * nd.square(g)
        denominator = nd.sqrt(square) / math.sqrt(1 - beta2**self.steps) + self.config.epsilon
        weight -= lr / (1 - beta1**self.steps) * mean / denominator

    def get_state(self) -> dict[str, np.ndarray]:
        """{`<slot>.<name>`: array}; zeros before the first step."""
        return {name: array.asnumpy() for name, array in self.state.items()}

    def set_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        self.steps = steps
        for name, array in self.state.items():
            array[:] = state[name]
