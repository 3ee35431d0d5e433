"""Batch norms folded into the convolutions before them: what a network computes in inference, with fewer steps.

In inference a batch norm is y = a * x + b, for each channel a = weight / sqrt(running_var + eps) and
b = bias - a * running_mean. Behind a convolution x = W * z + c (or a sum of several) that is one of
a * W with the bias a * c + b.
`Spec.folded()` is the network without those norms; its state is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from core.arch import Spec
from core.errors import WeightsError

S = TypeVar("S", bound=Spec)


def fold(spec: S, state: Mapping[str, np.ndarray]) -> tuple[S, dict[str, np.ndarray]]:
    """The network with every batch norm folded that can be, and its state; some may be folded already."""
    folded = spec.folded()
    return folded, fold_state(folded, state)


def fold_state(folded: Spec, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of `folded` (its `folded_norms` say what is folded) from the state with those batch norms.

    Computed in float64, stored in the types that the weights had; norms that `state` has no more are left as they are.
    Raises WeightsError where a norm is there in part, or its variance is negative.
    """
    result = dict(state)
    for entry in folded.folds():
        tensors = {leaf: f"{entry.norm}.{leaf}" for leaf in ("weight", "bias", "running_mean", "running_var")}
        absent = [name for name in tensors.values() if name not in result]
        if len(absent) == len(tensors):
            continue
        if absent:
            raise WeightsError(f"{entry.norm}: cannot be folded, {', '.join(absent)} is not among the weights")
        weight, bias, mean, variance = (result.pop(name).astype(np.float64) for name in tensors.values())
        if (variance + entry.eps <= 0).any():
            raise WeightsError(
                f"{tensors['running_var']}: has negative values; these are no weights of a trained network"
            )
        factor = weight / np.sqrt(variance + entry.eps)
        shift = bias - factor * mean
        for number, layer in enumerate(entry.layers):
            kernel = result[f"{layer}.weight"]
            given = result.get(f"{layer}.bias")
            own = np.zeros_like(factor) if given is None else given.astype(np.float64)
            scaled = kernel.astype(np.float64) * factor.reshape(-1, *[1] * (kernel.ndim - 1))
            result[f"{layer}.weight"] = scaled.astype(kernel.dtype)
            if number == 0 or given is not None:
                result[f"{layer}.bias"] = (own * factor + (shift if number == 0 else 0)).astype(kernel.dtype)
    return {parameter.name: result[parameter.name] for parameter in folded.parameters() if parameter.name in result}
