"""Which pixels are hard (core/losses/mining.py). The loss is the cross-entropy of those alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from backends.torch.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _only(
    kept: Tensor, losses: Tensor, target: Tensor, measure: Measure, total: float | None
) -> tuple[Tensor, Measure]:
    """The labels of the pixels `kept` [N, H, W], and a measure that divides by `total` or by their weights."""
    weight = class_weights(losses, measure.class_weights)
    if total is None:
        total = float(kept.sum() if weight is None else weight[target[kept]].sum()) or 1.0
    return torch.where(kept, target, IGNORE), replace(measure, divisor=total / measure.share)


def ohem(losses: Tensor, target: Tensor, term: OHEM, measure: Measure) -> tuple[Tensor, Measure]:
    valid, probability = target != IGNORE, torch.exp(-losses)
    labelled = probability[valid]
    rank = term.rank(labelled.numel(), len(target))
    limit = 2.0 if rank is None else term.threshold
    if rank:
        limit = max(limit, float(labelled.kthvalue(rank).values))
    kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    return _only(kept, losses, target, measure, float(target.numel()) if term.denominator == "all" else None)


def bootstrapped(losses: Tensor, target: Tensor, term: Bootstrapped, measure: Measure) -> tuple[Tensor, Measure]:
    valid = target != IGNORE
    kept = valid & (losses > term.threshold)
    labelled = losses[valid]
    if labelled.numel() and int(kept.sum()) <= term.min_kept:
        least = labelled.topk(min(term.min_kept, labelled.numel())).values[-1]
        kept = valid & (losses >= least)
    return _only(kept, losses, target, measure, None)
