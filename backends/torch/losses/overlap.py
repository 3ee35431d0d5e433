"""Losses of whole regions (core/losses/overlap.py)."""

from __future__ import annotations

import torch
from torch import Tensor

from core.data import IGNORE
from core.losses import Dice, LovaszSoftmax, Measure


def _onehot(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """[N, C, H, W], 0 where ignored."""
    true_class = torch.where(valid, target, 0).unsqueeze(1)
    return torch.zeros_like(logits).scatter_(1, true_class, valid.unsqueeze(1).to(logits.dtype))


def dice(logits: Tensor, target: Tensor, term: Dice, measure: Measure) -> Tensor:
    valid = target != IGNORE
    truth, probability = _onehot(logits, target, valid), logits.softmax(dim=1)
    axes = (0, 1, 2, 3) if term.average == "together" else (0, 2, 3)
    above = 2 * (probability * truth).sum(axes) + term.smooth
    below = (probability**term.power * valid.unsqueeze(1)).sum(axes) + truth.sum(axes) + term.smooth
    return (1 - above / below).mean() * measure.share


def lovasz_softmax(logits: Tensor, target: Tensor, term: LovaszSoftmax, measure: Measure) -> Tensor:
    valid = target != IGNORE
    truth = _onehot(logits, target, valid)
    errors = (truth - logits.softmax(dim=1)).abs()
    groups = range(len(target)) if term.per_picture else [slice(None)]
    losses = []
    for group in groups:
        rows = valid[group]
        of_class = errors[group].movedim(-3, 0)[:, rows]  # [C, P]
        weights = _lovasz_weights(of_class, truth[group].movedim(-3, 0)[:, rows], term.classes)
        losses.append((of_class * weights).sum())
    return torch.stack(losses).mean() * measure.share


@torch.no_grad()
def _lovasz_weights(errors: Tensor, truth: Tensor, classes: str) -> Tensor:
    """core.losses.lovasz_weights: [C, P] of errors and one-hot labels [C, P]."""
    order = errors.argsort(dim=1, descending=True, stable=True)
    hit = truth.gather(1, order)
    size = truth.sum(dim=1, keepdim=True)
    jaccard = 1 - (size - hit.cumsum(dim=1)) / (size + (1 - hit).cumsum(dim=1))
    rise = jaccard.diff(dim=1, prepend=torch.zeros_like(size))
    counted = torch.ones_like(size) if classes == "all" else (size > 0).to(errors.dtype)
    return torch.zeros_like(errors).scatter_(1, order, rise * counted / counted.sum().clamp(min=1))
