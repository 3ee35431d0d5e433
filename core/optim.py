"""The optimizer contract in numpy: the update rules that the three backends are tested against, and parameter groups.

The rules are PyTorch's, and Paddle's optimizers follow them too. MXNet's own do not (its SGD folds the learning rate
into the momentum, its Adam adds epsilon elsewhere), so its backend writes these out. What each does by itself:

    SGD     MXNet keeps m = momentum * m - lr * g: where the rate falls, old gradients keep their old rate. PyTorch
            and Paddle keep it out of the buffer. At a constant rate the steps are the same.
    NAG     is SGD with `nesterov`. MXNet's class NAG is the same step at a constant rate, and folds the rate in.
    Adam    PyTorch and Paddle divide by sqrt(v / (1 - beta2^t)) + epsilon, MXNet by sqrt(v) + epsilon with both
            corrections in the rate: its epsilon is larger by 1 / sqrt(1 - beta2^t), 30 times in the first step.
            Decay is L2 in the gradient in all three.
    AdamW   PyTorch and Paddle take lr * decay * w off beside the step. MXNet 1.9 has an operator alone,
            contrib.adamw_update, which takes eta * decay * w off, eta being given beside the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from core.arch.inventory import Parameter
from core.errors import ConfigError
from core.ranges import Adjustable, Checked, Range, When

Arrays = dict[str, NDArray[np.floating]]
Groups = Mapping[str, tuple[float, float]]  # name -> (learning-rate multiplier, weight decay)

# The rest (norm scales and shifts, biases, PReLU slopes) can be left out of the decay.
DECAYED_KINDS = ("conv", "deconv", "linear", "embedding")


@dataclass(frozen=True)
class GroupRule(Checked):
    """For the parameters whose canonical name fits `match` (`*` and `?` stand for anything, as in a shell).

    lr: what their rate is multiplied by, over all other multipliers. weight_decay: instead of `optimizer.weight_decay`.
    """

    match: str
    lr: Annotated[float, Range(0)] = 1.0
    weight_decay: Annotated[float, Range(0)] | None = None


_Beta = Annotated[float, Range(0, below=1)]


@dataclass(frozen=True)
class OptimizerConfig(Checked):
    """The optimizer and its constants; the rules are `SGD`, `Adam` and `AdamW` below.

    no_decay_on_norm_and_bias, head_lr_multiplier, layer_decay and groups: see `parameter_groups`.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Annotated[float, Range(above=0), Adjustable()] = 0.01
    momentum: Annotated[float, Range(0, below=1), When("name", "sgd")] = 0.9
    nesterov: Annotated[bool, When("name", "sgd")] = False
    betas: Annotated[tuple[_Beta, _Beta], When("name", "adam", "adamw")] = (0.9, 0.999)
    epsilon: Annotated[float, Range(above=0), When("name", "adam", "adamw")] = 1e-8
    weight_decay: Annotated[float, Range(0)] = 5e-4
    no_decay_on_norm_and_bias: bool = False
    head_lr_multiplier: Annotated[float, Range(above=0)] = 1.0
    layer_decay: Annotated[float, Range(above=0, high=1)] = 1.0
    groups: tuple[GroupRule, ...] = ()

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov needs a momentum above 0")

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the tensors an optimizer keeps for each parameter: the optimizer part of a checkpoint."""
        return ("momentum_buffer",) if self.name == "sgd" else ("exp_avg", "exp_avg_sq")

    def rules(self, parameters: Sequence[Parameter]) -> dict[str, tuple[float, float]]:
        """`parameter_groups` of this configuration."""
        return parameter_groups(
            parameters,
            self.weight_decay,
            self.no_decay_on_norm_and_bias,
            self.head_lr_multiplier,
            self.layer_decay,
            self.groups,
        )


def parameter_groups(
    parameters: Sequence[Parameter],
    weight_decay: float,
    no_decay_on_norm_and_bias: bool = False,
    head_lr_multiplier: float = 1.0,
    layer_decay: float = 1.0,
    rules: Sequence[GroupRule] = (),
) -> dict[str, tuple[float, float]]:
    """(learning-rate multiplier, weight decay) of every learnable parameter, in the order given; buffers are left out.

    no_decay_on_norm_and_bias: norm scales and shifts, biases and PReLU slopes get no decay.
    head_lr_multiplier: for every parameter whose name does not start with "backbone.". Raises ConfigError where it is
        asked for and nothing is called "backbone.": the whole network would be multiplied.
    layer_decay: the backbone's last block has this rate, the one before it its square, … (ELECTRA, arXiv 2003.10555);
        the head has the whole rate. Needs a backbone too.
    rules: applied in order, each over those before it. Raises ConfigError for one that fits nothing.
    """
    if weight_decay < 0:
        raise ConfigError(f"optimizer.weight_decay must not be negative, got {weight_decay}")
    if head_lr_multiplier <= 0:
        raise ConfigError(f"optimizer.head_lr_multiplier must be positive, got {head_lr_multiplier}")
    has_backbone = any(parameter.name.startswith("backbone.") for parameter in parameters)
    for setting, value in (("head_lr_multiplier", head_lr_multiplier), ("layer_decay", layer_decay)):
        if value != 1.0 and not has_backbone:
            raise ConfigError(
                f"optimizer.{setting} is {value}, but this network has no parameter called 'backbone.…' to tell the "
                "head from; leave it at 1 and change the learning rate"
            )
    depths = _depths(parameters)
    groups: dict[str, tuple[float, float]] = {}
    for parameter in parameters:
        if not parameter.trainable:
            continue
        decays = parameter.kind in DECAYED_KINDS or not no_decay_on_norm_and_bias
        above = depths.get(parameter.name)
        multiplier = head_lr_multiplier if above is None else layer_decay**above
        groups[parameter.name] = (multiplier, weight_decay if decays else 0.0)
    for i, rule in enumerate(rules):
        _apply(rule, groups, f"optimizer.groups[{i}].match")
    return groups


def _depths(parameters: Sequence[Parameter]) -> dict[str, int]:
    """How many blocks from the head a backbone's parameter is: 1 in the last block. What stands before the first
    numbered block (embeddings, a stem without numbers) is one block."""
    blocks: dict[str, int] = {}
    found: dict[str, int] = {}
    for parameter in parameters:
        if parameter.name.startswith("backbone."):
            parts = parameter.name.split(".")
            numbered = len(parts) > 3 and parts[2].isdigit()
            block = ".".join(parts[1:3]) if numbered else next(reversed(blocks), "")
            found[parameter.name] = blocks.setdefault(block, len(blocks))
    return {name: len(blocks) - place for name, place in found.items()}


def _apply(rule: GroupRule, groups: dict[str, tuple[float, float]], where: str) -> None:
    fitting = [name for name in groups if fnmatchcase(name, rule.match)]
    if not fitting:
        raise ConfigError(f"{where}: no parameter is called like {rule.match!r}; the first is {next(iter(groups))!r}")
    for name in fitting:
        multiplier, decay = groups[name]
        groups[name] = (multiplier * rule.lr, decay if rule.weight_decay is None else rule.weight_decay)


def global_norm_clip(gradients: Mapping[str, NDArray[np.floating]], max_norm: float) -> tuple[Arrays, float]:
    """Gradients scaled by min(1, max_norm / (norm + 1e-6)), and the norm before (`torch.nn.utils.clip_grad_norm_`)."""
    if max_norm <= 0:
        raise ConfigError(f"the gradients' largest norm must be positive, got {max_norm}")
    squares = [float(np.sum(np.square(gradient, dtype=np.float64))) for gradient in gradients.values()]
    norm = math.sqrt(math.fsum(squares))
    factor = min(1.0, max_norm / (norm + 1e-6))
    return {name: (gradient * factor).astype(gradient.dtype) for name, gradient in gradients.items()}, norm


class SGD:
    """Stochastic gradient descent with momentum, PyTorch's rule (`torch.optim.SGD`, dampening 0).

        g   = gradient + weight_decay * w
        buf = momentum * buf + g                 (buf starts at 0)
        w   = w - lr * buf                       (nesterov: w - lr * (g + momentum * buf))

    `momentum_buffer` is the whole state. `groups` as `parameter_groups` returns them.
    """

    def __init__(self, groups: Groups, momentum: float = 0.9, nesterov: bool = False) -> None:
        if nesterov and momentum <= 0:
            raise ConfigError("optimizer.nesterov needs a momentum above 0")
        self.groups, self.momentum, self.nesterov = dict(groups), momentum, nesterov
        self.momentum_buffer: Arrays = {}

    def step(self, parameters: Arrays, gradients: Mapping[str, NDArray[np.floating]], lr: float) -> None:
        """Update `parameters` in place with the learning rate `lr` (before the groups' multipliers)."""
        _check_names(self.groups, parameters, gradients)
        for name, (multiplier, weight_decay) in self.groups.items():
            w = parameters[name]
            update = gradients[name] + weight_decay * w
            if self.momentum:
                buffer = self.momentum * self.momentum_buffer.get(name, np.zeros_like(w)) + update
                self.momentum_buffer[name] = buffer
                update = update + self.momentum * buffer if self.nesterov else buffer
            w -= multiplier * lr * update


class Adam:
    """Adam (Kingma & Ba, arXiv 1412.6980) with L2 in the gradient, PyTorch's rule (`torch.optim.Adam`, no amsgrad).

        g = gradient + weight_decay * w
        m = beta1 * m + (1 - beta1) * g,    v = beta2 * v + (1 - beta2) * g * g
        w = w - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + epsilon)

    State: `exp_avg` (m), `exp_avg_sq` (v) and the number of steps done, `steps` (t).
    """

    decoupled = False

    def __init__(self, groups: Groups, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> None:
        self.groups, self.betas, self.epsilon = dict(groups), betas, epsilon
        self.exp_avg: Arrays = {}
        self.exp_avg_sq: Arrays = {}
        self.steps = 0

    def step(self, parameters: Arrays, gradients: Mapping[str, NDArray[np.floating]], lr: float) -> None:
        """Update `parameters` in place with the learning rate `lr` (before the groups' multipliers)."""
        _check_names(self.groups, parameters, gradients)
        self.steps += 1
        beta1, beta2 = self.betas
        for name, (multiplier, weight_decay) in self.groups.items():
            w, g, rate = parameters[name], gradients[name], multiplier * lr
            if self.decoupled:
                w *= 1.0 - rate * weight_decay
            else:
                g = g + weight_decay * w
            m = beta1 * self.exp_avg.get(name, np.zeros_like(w)) + (1.0 - beta1) * g
            v = beta2 * self.exp_avg_sq.get(name, np.zeros_like(w)) + (1.0 - beta2) * np.square(g)
            self.exp_avg[name], self.exp_avg_sq[name] = m, v
            denominator = np.sqrt(v) / math.sqrt(1.0 - beta2**self.steps) + self.epsilon
            w -= rate / (1.0 - beta1**self.steps) * m / denominator


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), PyTorch's rule (`torch.optim.AdamW`).

    First w = w * (1 - lr * weight_decay), then Adam's step on the gradient alone.
    """

    decoupled = True


def _check_names(groups: Groups, *states: Mapping[str, NDArray[np.floating]]) -> None:
    for state in states:
        different = sorted(set(groups) ^ set(state))
        if different:
            raise ConfigError(f"parameters, gradients and groups differ in: {', '.join(different[:5])}")
