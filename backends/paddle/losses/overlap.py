"""Losses of whole regions (core/losses/overlap.py)."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from core.data import IGNORE
from core.losses import Dice, LovaszSoftmax, Measure


def _onehot(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """[N, C, H, W], 0 where ignored."""
    classes = paddle.arange(logits.shape[1], dtype=target.dtype).reshape([1, -1, 1, 1])
    return ((target.unsqueeze(1) == classes) & valid.unsqueeze(1)).astype(logits.dtype)


def dice(logits: Tensor, target: Tensor, term: Dice, measure: Measure) -> Tensor:
    valid = target != IGNORE
    truth, probability = _onehot(logits, target, valid), F.softmax(logits, axis=1)
    axes = [0, 1, 2, 3] if term.average == "together" else [0, 2, 3]
    above = 2 * (probability * truth).sum(axes) + term.smooth
    squares = probability * probability if term.power == 2 else probability
    below = (squares * valid.astype(logits.dtype).unsqueeze(1)).sum(axes) + truth.sum(axes) + term.smooth
    return (1 - above / below).mean() * measure.share


def lovasz_softmax(logits: Tensor, target: Tensor, term: LovaszSoftmax, measure: Measure) -> Tensor:
    valid = target != IGNORE
    truth = _onehot(logits, target, valid)
    errors = (truth - F.softmax(logits, axis=1)).abs()
    with paddle.no_grad():
        weights = paddle.zeros_like(errors).transpose([1, 0, 2, 3])  # [C, N, H, W]
        groups = [slice(i, i + 1) for i in range(len(target))] if term.per_picture else [slice(0, len(target))]
        for group in groups:
            rows = valid[group]
            if not bool(rows.any()):
                continue
            places = paddle.nonzero(rows.flatten()).flatten()
            of_class, of_truth = (
                array[group].transpose([1, 0, 2, 3]).flatten(1).index_select(places, axis=1)
                for array in (errors, truth)
            )  # [C, P]
            found = paddle.zeros([weights.shape[0], rows.size], weights.dtype)
            found = found.T.scatter(places, _lovasz_weights(of_class, of_truth, term.classes).T).T
            weights[:, group] = found.reshape([weights.shape[0], *rows.shape])
        weights = weights.transpose([1, 0, 2, 3])
    return (errors * weights).sum() / len(groups) * measure.share


@paddle.no_grad()
def _lovasz_weights(errors: Tensor, truth: Tensor, classes: str) -> Tensor:
    """core.losses.lovasz_weights: [C, P] of errors and one-hot labels [C, P]."""
    order = paddle.argsort(-errors, axis=1, stable=True)
    hit = paddle.take_along_axis(truth, order, axis=1)
    size = truth.sum(axis=1, keepdim=True)
    jaccard = 1 - (size - hit.cumsum(axis=1)) / (size + (1 - hit).cumsum(axis=1))
    rise = paddle.diff(jaccard, axis=1, prepend=paddle.zeros_like(size))
    counted = paddle.ones_like(size) if classes == "all" else (size > 0).astype(errors.dtype)
    rank = paddle.argsort(order, axis=1)  # where each pixel stands
    return paddle.take_along_axis(rise * counted / counted.sum().clip(min=1), rank, axis=1)
