"""The symbol beside MXNet's parameters (`NAME-symbol.json` of `NAME-0012.params`), read without MXNet.

It is a list of nodes, each an operator with attributes (text) and the nodes it takes as inputs. A batch norm whose
`fix_gamma` is set (the default) computes with a gamma of 1, whatever the file of parameters holds.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.tensors import Limits, Tensors, listing, shown

SUFFIX = "-symbol.json"
BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
CONVOLUTIONS = ("Convolution", "Convolution_v1", "Deconvolution")
EPSILON = "1e-3"  # MXNet's default, where the attribute is absent
_EPOCH = re.compile(r"-\d{4,}$")
_INTEGERS = re.compile(r"[(\[]?\s*(\d{1,6}(?:\s*,\s*\d{1,6}){0,2})\s*,?\s*[)\]]?", re.ASCII)


@dataclass(frozen=True)
class Symbol:
    """What the graph says of its parameters, by their names.

    fixed: gammas that count as 1. epsilons: of each batch norm, by its gamma. strides, dilations: of each convolution,
    by its weight. operators: how often each occurs.
    """

    fixed: tuple[str, ...]
    epsilons: dict[str, float]
    strides: dict[str, tuple[int, ...]]
    dilations: dict[str, tuple[int, ...]]
    operators: Counter[str]

    def said(self) -> str:
        """On one line: what network it is."""
        kinds = [f"{count} {shown(kind)[1:-1]}" for kind, count in self.operators.most_common()]
        parts = [listing(kinds, 6)]
        for what, values in (("stride", self.strides), ("dilation", self.dilations)):
            beyond = Counter("x".join(map(str, value)) for value in values.values() if any(v != 1 for v in value))
            parts += [listing([f"{count} with {what} {value}" for value, count in sorted(beyond.items())], 4)]
        parts += [f"batch norms with epsilon {', '.join(f'{e:g}' for e in sorted(set(self.epsilons.values()))[:4])}"]
        return "; ".join(part for part in parts if part)


def name_beside(parameters: str) -> str | None:
    """The name (or path) of the symbol that belongs to a file of parameters, which ends in `.params` or has no
    extension; None for others."""
    path = PurePath(parameters)
    if path.suffix.lower() not in (".params", ""):
        return None
    return parameters.removesuffix(path.name) + _EPOCH.sub("", path.stem) + SUFFIX


def read(where: Path, data: memoryview, limits: Limits) -> Symbol:
    """Raises WeightsError for what is no graph of MXNet, is cut, or claims more than `limits` allows."""

    def error(text: str) -> WeightsError:
        return WeightsError(f"{where}: {text}; mend it, or take it away to read the parameters without it")

    if len(data) > limits.max_header:
        raise error(f"{len(data)} bytes, far more than a network's symbol has")
    try:
        graph: Any = json.loads(bytes(data).decode("utf-8-sig"))
    except (ValueError, RecursionError) as fault:
        raise error("is no valid JSON") from fault
    nodes = graph.get("nodes") if isinstance(graph, dict) else None
    if not isinstance(nodes, list) or not nodes or len(nodes) > limits.max_items:
        raise error("is no symbol of MXNet: it has no list of nodes")
    symbol = Symbol((), {}, {}, {}, Counter())
    names: list[str] = []
    fixed: dict[str, bool] = {}
    for index, node in enumerate(nodes):
        if not isinstance(node, dict) or not isinstance(node.get("op"), str) or not isinstance(node.get("name"), str):
            raise error(f"node {index} has no operator and name")
        names.append(node["name"])
        operator, attributes = node["op"], _attributes(node)
        if operator == "null":
            continue
        symbol.operators[operator] += 1
        if operator not in BATCH_NORMS + CONVOLUTIONS:
            continue
        owner = _parameter(node, index, names)
        if attributes is None or owner is None:
            raise error(
                f"node {index} ({shown(node['name'])}) is damaged: its attributes or inputs are none of MXNet's"
            )
        try:
            if operator in BATCH_NORMS:
                own = _true(attributes.get("fix_gamma", "True"))
                if fixed.setdefault(owner, own) != own:
                    raise ValueError("fix_gamma set in one of two batch norms that share their gamma")
                symbol.epsilons[owner] = _epsilon(attributes.get("eps", EPSILON))
            else:
                symbol.strides[owner] = _integers(attributes.get("stride", "(1, 1)"))
                symbol.dilations[owner] = _integers(attributes.get("dilate", "(1, 1)"))
        except ValueError as fault:
            raise error(f"node {index} ({shown(node['name'])}): {fault}") from fault
    return replace(symbol, fixed=tuple(name for name, own in fixed.items() if own))


def apply(tensors: Tensors, symbol: Symbol, name: str) -> Tensors:
    """The tensors as the network uses them: gammas that are fixed are 1; what the symbol says is noted.

    A symbol that names none of the tensors is that of another network: it changes nothing, and that is said.
    """
    owners = [*symbol.epsilons, *symbol.strides]
    if owners and not any(owner in tensors for owner in owners):
        note = (
            f"{name!r} beside it names none of its tensors and is not used: it is another network's, or names by scope "
            "what the file names by structure"
        )
        return replace(tensors, notes=[*tensors.notes, note])
    changed = [n for n in symbol.fixed if n in tensors and bool((tensors[n] != 1).any())]
    arrays = {n: np.ones_like(array) if n in changed else array for n, array in tensors.arrays.items()}
    notes = [f"{name!r} beside it: {symbol.said()}"]
    if changed:
        notes.append(f"set to 1, since fix_gamma is set in the symbol: {listing(changed)}")
    epsilons = " ".join(f"{epsilon:g}" for epsilon in sorted(set(symbol.epsilons.values())))
    facts = {"kind": "MXNet symbol", "said": symbol.said(), "epsilons": epsilons}
    return replace(tensors, arrays=arrays, notes=[*tensors.notes, *notes], facts={**facts, **tensors.facts})


def _attributes(node: dict[str, Any]) -> dict[str, str] | None:
    """Of any age: `attrs`, before that `attr`, before that `param`."""
    found: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):
        part = node.get(key) or {}
        if not isinstance(part, dict) or not all(isinstance(value, str) for value in part.values()):
            return None
        found |= part
    return found


def _parameter(node: dict[str, Any], index: int, names: list[str]) -> str | None:
    """The name of the second input: a convolution's weight, a batch norm's gamma. Inputs stand before their node."""
    inputs = node.get("inputs")
    if not isinstance(inputs, list) or len(inputs) < 2 or not isinstance(inputs[1], list) or not inputs[1]:
        return None
    number = inputs[1][0]
    return names[number] if type(number) is int and 0 <= number < index else None


def _true(text: str) -> bool:
    if text not in ("True", "true", "1", "False", "false", "0"):
        raise ValueError(f"fix_gamma is {shown(text)}, which is neither True nor False")
    return text in ("True", "true", "1")


def _epsilon(text: str) -> float:
    value = float(text) if len(text) <= 40 and re.fullmatch(r"[-+0-9.eE]+", text, re.ASCII) else math.nan
    if not 0 <= value < 1:
        raise ValueError(f"eps is {shown(text)}, which is no epsilon from 0 to 1")
    return value


def _integers(text: str) -> tuple[int, ...]:
    """`(2, 2)`, `[2,2]` or `()`, which is a side of 1."""
    if text.strip() in ("()", "[]"):
        return (1,)
    found = _INTEGERS.fullmatch(text.strip()) if len(text) <= 100 else None
    if found is None:
        raise ValueError(f"{shown(text)} are no sides of a stride or dilation")
    return tuple(int(part) for part in found[1].split(","))
