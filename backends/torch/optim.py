"""Optimizers. The contract (core/optim.py) is PyTorch's own rules, so these are torch.optim's classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from core.optim import OptimizerConfig


class Optimizer:
    """A torch.optim optimizer over canonical names: parameter groups, learning rate and state by name.

    The optimizer's state in canonical form is {`<slot>.<parameter name>`: array} and the number of steps done.
    """

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        self.parameters = dict(model.named_parameters())
        self.slots = config.slots
        self.steps = 0
        rules = config.rules(model.spec.parameters())
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, rule in rules.items():
            groups.setdefault(rule, []).append(self.parameters[name])
        options = [
            {"params": members, "lr": config.lr * multiplier, "weight_decay": decay, "multiplier": multiplier}
            for (multiplier, decay), members in groups.items()
        ]
        if config.name == "sgd":
            self.native: torch.optim.Optimizer = torch.optim.SGD(
                options, momentum=config.momentum, nesterov=config.nesterov, dampening=0
            )
        else:
            native = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
            self.native = native(options, betas=config.betas, eps=config.epsilon, amsgrad=False)

    def set_learning_rate(self, lr: float) -> None:
        for group in self.native.param_groups:
            group["lr"] = lr * group["multiplier"]

    def step(self) -> None:
        self.native.step()
        self.steps += 1

    def zero_grad(self) -> None:
        self.native.zero_grad(set_to_none=True)

    def get_state(self) -> dict[str, np.ndarray]:
        """{`<slot>.<name>`: array}; zeros before the first step."""
        state = {}
        for slot in self.slots:
            for name, parameter in self.parameters.items():
                value = self.native.state[parameter].get(slot) if parameter in self.native.state else None
                value = torch.zeros_like(parameter) if value is None else value
                state[f"{slot}.{name}"] = value.detach().cpu().numpy().copy()
        return state

    def set_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        self.steps = steps
        for name, parameter in self.parameters.items():
            own = {slot: torch.from_numpy(state[f"{slot}.{name}"].copy()).to(parameter.device) for slot in self.slots}
            if "exp_avg" in own:
                own["step"] = torch.tensor(float(steps), dtype=torch.float32)
            self.native.state[parameter] = own
