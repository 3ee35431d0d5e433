"""Losses of whole regions (core/losses/overlap.py)."""

from __future__ import annotations

import numpy as np
from mxnet import autograd, nd
from mxnet.ndarray import NDArray

from backends.mxnet.losses.cross_entropy import pixel_weights
from core.data import IGNORE
from core.losses import Dice, LovaszSoftmax, Measure, lovasz_weights


def _onehot(logits: NDArray, target: NDArray) -> NDArray:
    """[N, C, H, W], 0 where ignored: one_hot gives zeros for a class that is not there."""
    return nd.transpose(nd.one_hot(target, logits.shape[1], dtype=logits.dtype), (0, 3, 1, 2))


def dice(logits: NDArray, target: NDArray, term: Dice, measure: Measure) -> NDArray:
    truth, probability = _onehot(logits, target), nd.softmax(logits, axis=1)
    axes = (0, 1, 2, 3) if term.average == "together" else (0, 2, 3)
    above = 2 * (probability * truth).sum(axis=axes) + term.smooth
    squares = probability * probability if term.power == 2 else probability
    valid = nd.expand_dims(pixel_weights(logits, target, None), axis=1)
    below = nd.broadcast_mul(squares, valid).sum(axis=axes) + truth.sum(axis=axes) + term.smooth
    return (1 - above / below).mean() * measure.share


def lovasz_softmax(logits: NDArray, target: NDArray, term: LovaszSoftmax, measure: Measure) -> NDArray:
    """The factors of the errors are found on the CPU, in numpy: MXNet's argsort does not keep the order of equals."""
    truth = _onehot(logits, target)
    errors = nd.abs(truth - nd.softmax(logits, axis=1))
    with autograd.pause():
        valid = target.asnumpy() != IGNORE
        wrong, right = (array.asnumpy().swapaxes(0, 1) for array in (errors, truth))  # [C, N, H, W]
        factors = np.zeros_like(wrong)
        groups = [slice(i, i + 1) for i in range(len(valid))] if term.per_picture else [slice(None)]
        for group in groups:
            rows, part = valid[group], factors[:, group]
            part[:, rows] = lovasz_weights(wrong[:, group][:, rows], right[:, group][:, rows] > 0, term.classes)
        weights = nd.array(factors.swapaxes(0, 1), ctx=logits.context, dtype=logits.dtype)
    return (errors * weights).sum() / len(groups) * measure.share
