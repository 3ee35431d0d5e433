"""Normalisation and dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NormSpec:
    """Batch norm. `momentum` in PyTorch's convention: running = (1 - momentum) * running + momentum * batch."""

    eps: float = 1e-5
    momentum: float = 0.1


@dataclass(frozen=True)
class GroupNormSpec:
    """Group norm (Wu and He, arXiv:1803.08494): statistics of one picture over groups of channels."""

    groups: int = 32
    eps: float = 1e-5


@dataclass(frozen=True)
class DropoutSpec:
    """Dropout of probability `p`, of single elements, of whole channels, or of all of a picture's map (`sample`).

    The last is what residual branches are dropped by (stochastic depth, arXiv:1603.09382).

    scale `train`: kept values are divided by 1 - p while training. scale `inference`: they are not, and inference
    multiplies by 1 - p instead (Paddle's `downscale_in_infer`, the default of paddle.fluid).
    """

    p: float = 0.1
    unit: Literal["element", "channel", "sample"] = "element"
    scale: Literal["train", "inference"] = "train"

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"dropout p={self.p} is not in [0, 1)")
        if self.scale == "inference" and self.unit != "element":
            raise ValueError(f"dropout unit {self.unit!r} scales in training: scale `inference` is for single elements")


NO_DROPOUT = DropoutSpec(p=0.0)
