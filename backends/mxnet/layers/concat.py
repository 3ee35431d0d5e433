"""Concatenation of channels."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.layers.network import Tensor


def concat(F: ModuleType, *maps: Tensor) -> Tensor:
    """[N, C1, ...], [N, C2, ...], ... to [N, C1 + C2 + ..., ...]. Networks use this, never `F.concat`.

    MXNet hands float32 arrays of two and four axes to oneDNN, whose backward pass takes slices of the gradient as it
    lies in memory. A convolution leaves it in blocks of 16 or 8 channels; a slice that begins or ends within a block
    ends the process (SIGFPE) or raises "could not construct a sub-memory". A further axis keeps every array plain.
    """
    plain = [F.expand_dims(x, axis=2) for x in maps]
    return F.squeeze(F.concat(*plain, dim=1), axis=2)
