"""Weights of a network that nobody here knows, in another framework's conventions by rule.

What can be told without the network: the last component of a name says what a tensor is (`running_mean` and
`moving_mean` are one thing), and a fully connected layer is a `weight` of two axes, which Paddle stores as [in, out],
the others as [out, in]. An embedding has two axes as well and is stored alike everywhere: a table that its name calls
one, or that has no bias beside it and more rows than columns at least twentyfold, is left alone and listed.
"""

from __future__ import annotations

import re

import numpy as np

from core.description import backend_names, descriptions
from core.errors import WeightsError
from core.tensors import Tensors, listing

# What batch norms have, and what this project calls it.
BATCH_NORM = {"norm_scale": "weight", "norm_bias": "bias", "running_mean": "running_mean", "running_var": "running_var"}
OF_MXNET_SYMBOLS = {"moving_mean": "running_mean", "moving_var": "running_var"}
TABLE = re.compile(r"(^|[._])(embed\w*|\w*embeddings?|pos_\w+|\w*_table|\w*token\w*)([._]|$)", re.IGNORECASE)
TALL = 20


def relaid(tensors: Tensors, layout: str, where: str) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """The arrays under `layout`'s names and with its axes, source name -> name there, and notes on what was done.

    Raises WeightsError for an unknown layout, and where the file does not tell whose conventions it follows.
    """
    if layout not in backend_names():
        raise WeightsError(f"--layout {layout}: choose from {', '.join(backend_names())}")
    origin = conventions_of(tensors, where)
    arrays: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    swapped, tables = [], []
    stems = {name.rpartition(".")[0] for name in tensors}
    norms = {stem for stem in stems if any(f"{stem}.{leaf}" in tensors for leaf in _statistics(origin))}
    for name, array in tensors.items():
        stem, _, leaf = name.rpartition(".")
        moved = OF_MXNET_SYMBOLS.get(leaf, leaf)
        if stem in norms and moved in _leaves(origin):
            moved = _leaves(layout)[_leaves(origin).index(moved)]
        if (
            leaf == "weight"
            and array.ndim == 2
            and ("linear" in _transposed(origin)) != ("linear" in _transposed(layout))
        ):
            if _is_table(name, stem, array, tensors):
                tables.append(name)
            else:
                array = array.T
                swapped.append(name)
        target = f"{stem}.{moved}" if stem else moved
        if target in arrays:
            raise WeightsError(f"{where}: two tensors would be called {target!r} in {layout}; convert without --layout")
        arrays[target], names[name] = array, target
    notes = [f"taken for {origin}'s conventions and written in {layout}'s"]
    if swapped:
        notes.append(f"fully connected, their two axes swapped: {listing(swapped)}")
    if tables:
        notes.append(f"taken for tables (embeddings), axes left alone: {listing(tables)}")
    return arrays, names, notes


def conventions_of(tensors: Tensors, where: str) -> str:
    """The framework whose names or format the file has. Raises WeightsError where neither tells."""
    leaves = {name.rpartition(".")[2] for name in tensors}
    if leaves & {"_mean", "_variance"} or tensors.format in ("pdparams", "paddle folder", "paddle program"):
        return "paddle"
    if leaves & {"gamma", "beta", "moving_mean", "moving_var"} or tensors.format == "params":
        return "mxnet"
    if tensors.format == "pth" or leaves & {"running_mean", "num_batches_tracked"}:
        return "torch"
    if not any(array.ndim == 2 for array in tensors.values()):
        return "torch"
    raise WeightsError(
        f"{where}: whose layouts it has, neither names nor format tell; convert it without --layout, or give a .pth, "
        ".pdparams or .params file"
    )


def _statistics(origin: str) -> tuple[str, ...]:
    return (*_leaves(origin)[2:], *OF_MXNET_SYMBOLS)


def _leaves(backend: str) -> tuple[str, ...]:
    """The last components of a batch norm's names, in the order of BATCH_NORM."""
    return tuple(descriptions()[backend].leaves.get(kind, usual) for kind, usual in BATCH_NORM.items())


def _transposed(backend: str) -> tuple[str, ...]:
    return descriptions()[backend].transposed


def _is_table(name: str, stem: str, array: np.ndarray, tensors: Tensors) -> bool:
    """Whether a matrix is rather a table of vectors than a fully connected layer."""
    rows, columns = array.shape
    return bool(TABLE.search(name)) or (f"{stem}.bias" not in tensors and rows >= TALL * columns)
