"""Learning-rate schedules as pure functions of the iteration: the same in every framework, resumable at any point.

`t` is the iteration about to be done (0 for the first), `N` the number of iterations of the whole run:

    poly      end + (base - end) * (1 - t/N) ** power        (DeepLab; mmsegmentation's min_lr is `end_lr`)
    cosine    end + (base - end) * (1 + cos(pi * t/N)) / 2   (Loshchilov & Hutter, arXiv 1608.03983, without restarts)
    step      base * gamma ** (number of milestones <= t)
    constant  base

With `last_is_end` the end value is reached in the last iteration itself, t/(N - 1) instead of t/N (MXNetSeg, GluonCV).

Warm-up multiplies the schedule's value of the same iteration (mmcv's rule, and PyTorch's `LinearLR` chained with
another schedule): by warmup_ratio + (1 - warmup_ratio) * t / warmup_iterations ("linear") or by warmup_ratio
("constant") while t < warmup_iterations. Unlike Paddle's `LinearWarmup` it does not shift the schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import ConfigError

Policy = Literal["poly", "cosine", "step", "constant"]
Warmup = Literal["linear", "constant"]


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each iteration: `Schedule("poly", 0.01, 80_000)(iteration) -> float`, absolute."""

    policy: Policy
    base_lr: float
    iterations: int
    end_lr: float = 0.0  # poly, cosine
    power: float = 0.9  # poly
    milestones: tuple[int, ...] = ()  # step: iterations from which on the rate is multiplied by gamma
    gamma: float = 0.1  # step
    last_is_end: bool = False  # poly, cosine
    warmup: Warmup = "linear"
    warmup_iterations: int = 0
    warmup_ratio: float = 0.1

    def __post_init__(self) -> None:
        if self.policy not in get_args(Policy):
            raise ConfigError(f"schedule.policy must be one of {', '.join(get_args(Policy))}, got {self.policy!r}")
        if self.warmup not in get_args(Warmup):
            raise ConfigError(f"schedule.warmup must be one of {', '.join(get_args(Warmup))}, got {self.warmup!r}")
        if self.iterations < 1:
            raise ConfigError(f"schedule.iterations must be at least 1, got {self.iterations}")
        if not (self.base_lr > 0 and math.isfinite(self.base_lr)):
            raise ConfigError(f"schedule.base_lr must be a positive number, got {self.base_lr}")
        if not 0 <= self.end_lr <= self.base_lr:
            raise ConfigError(f"schedule.end_lr must be between 0 and base_lr {self.base_lr}, got {self.end_lr}")
        if self.power < 0 or self.gamma < 0:
            raise ConfigError(f"schedule.power and gamma must not be negative, got {self.power} and {self.gamma}")
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if list(self.milestones) != sorted(set(self.milestones)) or any(m < 0 for m in self.milestones):
            raise ConfigError(f"schedule.milestones must be increasing iterations, got {list(self.milestones)}")
        if self.policy == "step" and not self.milestones:
            raise ConfigError("schedule.milestones must be given for the step policy")
        if not 0 <= self.warmup_iterations <= self.iterations:
            raise ConfigError(
                f"schedule.warmup_iterations must be between 0 and iterations {self.iterations}, "
                f"got {self.warmup_iterations}"
            )
        if not 0 < self.warmup_ratio <= 1:
            raise ConfigError(f"schedule.warmup_ratio must be in (0, 1], got {self.warmup_ratio}")

    def __call__(self, iteration: int) -> float:
        """The learning rate of iteration 0, 1, …; from `iterations` on it stays at the end."""
        if iteration < 0:
            raise ValueError(f"iteration must not be negative, got {iteration}")
        return self._value(iteration) * self._warmup_factor(iteration)

    def _value(self, iteration: int) -> float:
        if self.policy == "constant":
            return self.base_lr
        if self.policy == "step":
            return self.base_lr * self.gamma ** sum(milestone <= iteration for milestone in self.milestones)
        last = self.iterations - 1 if self.last_is_end else self.iterations
        progress = min(1.0, iteration / last) if last > 0 else 0.0
        if self.policy == "poly":
            factor = (1.0 - progress) ** self.power
        else:
            factor = (1.0 + math.cos(math.pi * progress)) / 2.0
        return self.end_lr + (self.base_lr - self.end_lr) * factor

    def _warmup_factor(self, iteration: int) -> float:
        if iteration >= self.warmup_iterations:
            return 1.0
        if self.warmup == "constant":
            return self.warmup_ratio
        return self.warmup_ratio + (1.0 - self.warmup_ratio) * iteration / self.warmup_iterations
