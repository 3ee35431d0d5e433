"""Cross-entropy over the hard pixels alone (core/losses/mining.py)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from backends.torch.losses.cross_entropy import class_weights
from core.data import IGNORE
from core.losses import OHEM, Bootstrapped, Measure


def _mean_over(kept: Tensor, logits: Tensor, target: Tensor, measure: Measure, total: float | None) -> Tensor:
    """The (weighted) cross-entropy of the pixels `kept` [N, H, W], over `total` or their weights."""
    labels = torch.where(kept, target, IGNORE)
    weight = class_weights(logits, measure.class_weights)
    if total is None:
        total = float(kept.sum() if weight is None else weight[target[kept]].sum()) or 1.0
    return F.cross_entropy(logits, labels, weight, ignore_index=IGNORE, reduction="sum") / total * measure.share


def ohem(logits: Tensor, target: Tensor, term: OHEM, measure: Measure) -> Tensor:
    with torch.no_grad():
        valid = target != IGNORE
        true_class = torch.where(valid, target, 0).unsqueeze(1)
        probability = logits.softmax(dim=1).gather(1, true_class).squeeze(1)  # [N, H, W]
        labelled = probability[valid]
        rank = term.rank(labelled.numel(), len(target))
        limit = 2.0 if rank is None else term.threshold
        if rank:
            limit = max(limit, float(labelled.kthvalue(rank).values))
        kept = valid & ((probability < limit) if term.strict else (probability <= limit))
    return _mean_over(kept, logits, target, measure, float(target.numel()) if term.denominator == "all" else None)


def bootstrapped(logits: Tensor, target: Tensor, term: Bootstrapped, measure: Measure) -> Tensor:
    with torch.no_grad():
        valid = target != IGNORE
        loss = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")  # [N, H, W]
        kept = valid & (loss > term.threshold)
        labelled = loss[valid]
        if labelled.numel() and int(kept.sum()) <= term.min_kept:
            least = labelled.topk(min(term.min_kept, labelled.numel())).values[-1]
            kept = valid & (loss >= least)
    return _mean_over(kept, logits, target, measure, None)
