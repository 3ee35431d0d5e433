"""Weights in several files with an index: `model.safetensors.index.json` beside `model-00001-of-00002.safetensors`, ….

The index is JSON: "weight_map" from each tensor's name to the file that holds it, a plain name beside the index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import WeightsError
from core.tensors import Limits, Tensors, human, listing, shown

SUFFIX = ".index.json"
MOST_SHARDS = 10_000


def is_index(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIX)


def read(path: Path, data: memoryview, limits: Limits, beside: Mapping[str, Callable[[], Tensors]]) -> Tensors:
    """Read all shards that the index names, as one set of tensors in the index's order.

    beside: what reads each file that lies beside the index, by its name.

    Raises:
        WeightsError: if the index is no index, leads out of its folder, or a shard lacks a tensor that it should hold.
    """
    weight_map = _weight_map(path, data, limits)
    shards = list(dict.fromkeys(weight_map.values()))
    if len(shards) > MOST_SHARDS:
        raise WeightsError(f"{path}: names {len(shards)} files; at most {MOST_SHARDS} are read")
    parts = {}
    for shard in shards:
        if shard not in beside:
            raise WeightsError(
                f"{path}: the file {shard!r} that it names is not beside it; get all {len(shards)} files"
            )
        parts[shard] = beside[shard]()
    missing = [f"{name} ({shard})" for name, shard in weight_map.items() if name not in parts[shard]]
    if missing:
        raise WeightsError(f"{path}: tensors are not in the files that should hold them: {listing(missing, 5)}")
    notes = [f"read from {len(shards)} files beside the index: {listing(shards, 5)}"]
    notes += [f"{shard}: {note}" for shard, part in parts.items() for note in part.notes]
    unlisted = [f"{name} ({shard})" for shard, part in parts.items() for name in part if weight_map.get(name) != shard]
    if unlisted:
        notes.append(f"left out, because the index does not list them: {listing(unlisted)}")
    first = parts[shards[0]]
    arrays = {name: parts[shard][name] for name, shard in weight_map.items()}
    return Tensors(arrays, dict(first.metadata), first.format, notes)


def _weight_map(path: Path, data: memoryview, limits: Limits) -> dict[str, str]:
    if len(data) > limits.max_header:
        raise WeightsError(f"{path}: an index of {human(len(data))}; if trusted, raise Limits.max_header")
    try:
        index: Any = json.loads(bytes(data).decode())
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not valid JSON, as an index of shards is") from error
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not found or not all(isinstance(shard, str) for shard in found.values()):
        raise WeightsError(f"{path}: has no 'weight_map' from the names of tensors to the names of files")
    for shard in found.values():
        plain = shard not in ("", ".", "..") and not any(mark in shard for mark in ("/", "\\", ":", "\0"))
        if not plain or shard.lower().endswith(SUFFIX):
            raise WeightsError(f"{path}: names the file {shown(shard)}; a shard lies beside its index: refused")
    return dict(found)
