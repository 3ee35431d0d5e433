"""Learning-rate schedules as pure functions of the iteration: the same in every framework, resumable at any point.

`t` is the iteration about to be done (0 for the first), `N` the number of iterations of the whole run:

    poly      end + (base - end) * (1 - t/N) ** power        (DeepLab; mmsegmentation's min_lr is `end_lr`)
    cosine    end + (base - end) * (1 + cos(pi * t/N)) / 2   (Loshchilov & Hutter, arXiv 1608.03983, without restarts)
    step      base * gamma ** (number of milestones <= t)
    one_cycle from rise_from * base up to base over the first `rise` of the run, then down to end: both along a cosine
              (Smith & Topin, arXiv 1708.07120, as PyTorch's OneCycleLR has it; Adam's and SGD's momentum stays)
    constant  base

With `last_is_end` the end value is reached in the last iteration itself, t/(N - 1) instead of t/N (MXNetSeg, GluonCV).

Warm-up multiplies the schedule's value of the same iteration (mmcv's rule, and PyTorch's `LinearLR` chained with
another schedule): by warmup_ratio + (1 - warmup_ratio) * t / warmup_iterations ("linear") or by warmup_ratio
("constant") while t < warmup_iterations. Unlike Paddle's `LinearWarmup` it does not shift the schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from core.errors import ConfigError
from core.ranges import Checked, Increasing, Range, When

Policy = Literal["poly", "cosine", "step", "one_cycle", "constant"]
Warmup = Literal["linear", "constant"]


Iteration = Annotated[int, Range(0)]


@dataclass(frozen=True)
class ScheduleConfig(Checked):
    """The learning rate's course; the formulas stand above.

    milestones: iterations from which on the rate is multiplied by gamma.
    """

    policy: Policy = "poly"
    power: Annotated[float, Range(0), When("policy", "poly")] = 0.9
    end_lr: Annotated[float, Range(0), When("policy", "poly", "cosine", "one_cycle")] = 0.0
    milestones: Annotated[tuple[Iteration, ...], Increasing(), When("policy", "step")] = ()
    gamma: Annotated[float, Range(0), When("policy", "step")] = 0.1
    rise: Annotated[float, Range(above=0, below=1), When("policy", "one_cycle")] = 0.3
    rise_from: Annotated[float, Range(above=0, high=1), When("policy", "one_cycle")] = 0.04
    last_is_end: Annotated[bool, When("policy", "poly", "cosine")] = False
    warmup: Annotated[Warmup, When("warmup_iterations")] = "linear"
    warmup_iterations: Iteration = 0
    warmup_ratio: Annotated[float, Range(above=0, high=1), When("warmup_iterations")] = 0.1

    def __post_init__(self) -> None:
        if self.policy == "step" and not self.milestones:
            raise ConfigError("schedule.milestones must be given for the step policy")


@dataclass(frozen=True)
class Schedule(Checked):
    """The learning rate of each iteration: `Schedule(config, 0.01, 80_000)(iteration) -> float`, absolute."""

    config: ScheduleConfig
    base_lr: Annotated[float, Range(above=0)]
    iterations: Annotated[int, Range(1)]

    def __post_init__(self) -> None:
        end, warmup = self.config.end_lr, self.config.warmup_iterations
        if end > self.base_lr:
            raise ConfigError(f"schedule.end_lr {end} must not be above the learning rate {self.base_lr}")
        if warmup > self.iterations:
            raise ConfigError(
                f"schedule.warmup_iterations {warmup} must not be more than the run's {self.iterations} iterations"
            )

    def __call__(self, iteration: int) -> float:
        """The learning rate of iteration 0, 1, …; from `iterations` on it stays at the end."""
        if iteration < 0:
            raise ValueError(f"iteration must not be negative, got {iteration}")
        return self._value(iteration) * self._warmup_factor(iteration)

    def _value(self, iteration: int) -> float:
        config = self.config
        if config.policy == "constant":
            return self.base_lr
        if config.policy == "step":
            return self.base_lr * config.gamma ** sum(milestone <= iteration for milestone in config.milestones)
        if config.policy == "one_cycle":
            return self._one_cycle(iteration)
        last = self.iterations - 1 if config.last_is_end else self.iterations
        progress = min(1.0, iteration / last) if last > 0 else 0.0
        if config.policy == "poly":
            factor = (1.0 - progress) ** config.power
        else:
            factor = (1.0 + math.cos(math.pi * progress)) / 2.0
        return config.end_lr + (self.base_lr - config.end_lr) * factor

    def _one_cycle(self, iteration: int) -> float:
        """The top is at `rise * iterations - 1`, the end in the last iteration; both may lie between iterations."""
        config, last = self.config, self.iterations - 1
        top = max(config.rise * self.iterations - 1, 0.0)
        low, high = config.rise_from * self.base_lr, self.base_lr
        if iteration < top:
            return high + (low - high) * (1.0 + math.cos(math.pi * iteration / top)) / 2.0
        progress = min(1.0, (iteration - top) / (last - top)) if last > top else 1.0
        return config.end_lr + (high - config.end_lr) * (1.0 + math.cos(math.pi * progress)) / 2.0

    def _warmup_factor(self, iteration: int) -> float:
        length, ratio = self.config.warmup_iterations, self.config.warmup_ratio
        if iteration >= length:
            return 1.0
        if self.config.warmup == "constant":
            return ratio
        return ratio + (1.0 - ratio) * iteration / length
