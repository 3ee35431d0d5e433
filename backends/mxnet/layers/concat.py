"""Concatenation of channels."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.layers.network import Tensor


def plain(F: ModuleType, x: Tensor) -> Tensor:
    """`x` [N, C, ...] itself, but neither it nor its gradient in oneDNN's layouts.

    A float32 map that a convolution made lies in blocks of 8 or 16 channels. Of MXNet's operators, `F.slice` over
    channels and `F.softmax` along the last axis read it wrongly and end the process (`python -m parity_tests.onednn`);
    `F.slice_axis`, `F.split` and a softmax along another axis do not.
    """
    return F.squeeze(F.expand_dims(x, axis=2), axis=2)


def concat(F: ModuleType, *maps: Tensor) -> Tensor:
    """[N, C1, ...], [N, C2, ...], ... to [N, C1 + C2 + ..., ...]. Networks use this, never `F.concat`.

    MXNet hands float32 arrays of two and four axes to oneDNN, whose backward pass takes slices of the gradient as it
    lies in memory. A convolution leaves it in blocks of 16 or 8 channels; a slice that begins or ends within a block
    ends the process (SIGFPE) or raises "could not construct a sub-memory". A further axis keeps every array plain.
    """
    apart = [F.expand_dims(x, axis=2) for x in maps]
    return F.squeeze(F.concat(*apart, dim=1), axis=2)
