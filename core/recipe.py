"""What a configuration's published figure was trained with, and what a run of other batches makes of it.

A rate belongs to a batch. Where the batch differs from the published one, the rule that keeps the training alike is
linear for SGD (Goyal et al., arXiv:1706.02677) and the square root for Adam and AdamW, whose step does not grow with
the gradient (Malladi et al., arXiv:2205.10287). Both hold within a few times the batch, and not for batch norm: it sees
what it sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from core.errors import ConfigError
from core.ranges import Checked, Range, When


@dataclass(frozen=True)
class RecipeConfig(Checked):
    """Of the published figure; facts to compare with, which change nothing unless `train.scale_lr` asks for it.

    batch_size: pictures an iteration, of all devices together. devices: how many there were, if that is known.
    sync_batch_norm: batch norm was over all devices' pictures.
    """

    batch_size: Annotated[int, Range(1)] | None = None
    devices: Annotated[Annotated[int, Range(1)] | None, When("batch_size")] = None
    sync_batch_norm: Annotated[bool, When("batch_size")] = True

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.devices is not None and self.batch_size < self.devices:
            raise ConfigError(f"batch_size {self.batch_size} is less than a picture for each of {self.devices} devices")

    def normalised_over(self) -> int | None:
        """How many pictures batch norm saw at a time; None where that is not known."""
        if self.batch_size is None or self.sync_batch_norm:
            return self.batch_size
        return None if self.devices is None else self.batch_size // self.devices

    def factor(self, batch_size: int, optimizer: str) -> float:
        """By what the published rate is multiplied for batches of `batch_size`."""
        if self.batch_size is None:
            return 1.0
        ratio = batch_size / self.batch_size
        return ratio if optimizer == "sgd" else math.sqrt(ratio)

    def differences(self, batch_size: int, normalised: int, optimizer: str, lr: float, scaled: bool) -> list[str]:
        """Sentences on how a run with batches of `batch_size`, `lr` as configured, differs from the published one.

        normalised: how many pictures its batch norm sees at a time.
        """
        if self.batch_size is None:
            return []
        found = []
        if batch_size != self.batch_size:
            factor = self.factor(batch_size, optimizer)
            rule = f"{'linear' if optimizer == 'sgd' else 'square-root'} rule, x {factor:.4g}"
            on = "" if self.devices is None else f" on {self.devices} device{'s' if self.devices > 1 else ''}"
            said = (
                f"the rate {lr:g} is scaled to {lr * factor:g} ({rule})"
                if scaled
                else f"optimizer.lr {lr:g} is that batch's; train.scale_lr=true makes it {lr * factor:g} ({rule})"
            )
            found.append(
                f"the published figure was trained with {self.batch_size} pictures an iteration{on}, "
                f"this run has {batch_size}: {said}"
            )
        published = self.normalised_over()
        if published is not None and published != normalised:
            how = " (synchronised)" if self.sync_batch_norm and self.devices not in (None, 1) else ""
            found.append(f"batch norm saw {published} pictures at a time{how}, here it sees {normalised}")
        return found
