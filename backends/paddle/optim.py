"""Optimizers. Paddle's Momentum, Adam and AdamW follow the contract of core/optim.py, in float32 constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import Tensor, nn

from backends.paddle.state import from_canonical, named_tensors, to_canonical
from core.optim import OptimizerConfig

# The canonical slot of each accumulator that has the parameter's shape.
ACCUMULATORS = {"momentum_buffer": "velocity_0", "exp_avg": "moment1_0", "exp_avg_sq": "moment2_0"}


class Optimizer:
    """A paddle.optimizer optimizer over canonical names: parameter groups, learning rate and state by name.

    The optimizer's state in canonical form is {`<slot>.<parameter name>`: array} and the number of steps done.
    """

    def __init__(self, model: nn.Layer, config: OptimizerConfig) -> None:
        tensors = [entry for entry in named_tensors(model) if not entry[1].stop_gradient]
        self.parameters = {name: tensor for name, tensor, _ in tensors}
        self.swapped = {name for name, _, swapped in tensors if swapped}
        self.config, self.slots = config, config.slots
        self.steps = 0
        rules = config.rules(model.spec.parameters())
        groups: dict[tuple[float, float], list[Tensor]] = {}
        for name, rule in rules.items():
            groups.setdefault(rule, []).append(self.parameters[name])
        # In a group, `learning_rate` is what the optimizer's own is multiplied by.
        options = [
            {"params": members, "learning_rate": multiplier, "weight_decay": decay}
            for (multiplier, decay), members in groups.items()
        ]
        if config.name == "sgd":
            self.native: paddle.optimizer.Optimizer = paddle.optimizer.Momentum(
                config.lr, momentum=config.momentum, parameters=options, use_nesterov=config.nesterov
            )
        else:
            native = paddle.optimizer.AdamW if config.name == "adamw" else paddle.optimizer.Adam
            beta1, beta2 = config.betas
            self.native = native(
                config.lr, beta1=beta1, beta2=beta2, epsilon=config.epsilon, parameters=options, amsgrad=False
            )

    def set_learning_rate(self, lr: float) -> None:
        self.native.set_lr(lr)

    def step(self) -> None:
        self.native.step()
        self.steps += 1

    def zero_grad(self) -> None:
        self.native.clear_grad(set_to_zero=False)

    def get_state(self) -> dict[str, np.ndarray]:
        """{`<slot>.<name>`: array}; zeros before the first step."""
        state, own = {}, self.native.state_dict()
        for slot in self.slots:
            for name, parameter in self.parameters.items():
                value = own.get(f"{parameter.name}_{ACCUMULATORS[slot]}")
                value = paddle.zeros_like(parameter) if value is None else value
                state[f"{slot}.{name}"] = to_canonical(value, name in self.swapped)
        return state

    def set_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        self.steps = steps
        own = {}
        for name, parameter in self.parameters.items():
            for slot in self.slots:
                array = from_canonical(state[f"{slot}.{name}"], parameter, name in self.swapped)
                own[f"{parameter.name}_{ACCUMULATORS[slot]}"] = paddle.to_tensor(array)
        if "exp_avg" in self.slots:
            for i, beta in enumerate(self.config.betas, start=1):
                powers = {dtype: _power(beta, steps + 1, dtype) for dtype in (np.float32, np.float64)}
                for parameter in self.parameters.values():
                    power = powers[np.float64 if parameter.dtype == paddle.float64 else np.float32]
                    own[f"{parameter.name}_beta{i}_pow_acc_0"] = paddle.to_tensor(power)
        self.native.set_state_dict(own)


def _power(beta: float, exponent: int, dtype: type[np.floating]) -> np.ndarray:
    """[beta ** exponent], multiplied up as Adam's kernel does, so that going on equals never having stopped."""
    power = dtype(1)
    for _ in range(exponent):
        power = power * dtype(beta)
    return np.array([power], dtype)
