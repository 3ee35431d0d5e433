"""Faults that are injected on purpose, one at a time, to see the ladder turn red (parity_tests/test_can_fail.py).

Most are a request changed on its way to one side (`Faulty`): another spec, a weight moved, another configuration. Where
that cannot express the fault, `inject` replaces a function in a worker process that is kept for this. Product code
knows nothing of either.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any
from unittest import mock

import numpy as np

from core.data.normalization import Normalize

Arrays = dict[str, np.ndarray]
Changed = tuple[Arrays | None, dict[str, Any]]
Change = Callable[[str, Arrays | None, dict[str, Any]], Changed]


class Faulty:
    """A backend whose requests are changed before they reach it."""

    def __init__(self, name: str, worker: Any, change: Change | None = None) -> None:
        self.name, self.worker, self.change = name, worker, change

    def request(self, operation: str, arrays: Any = None, **fields: Any) -> tuple[dict[str, Any], Arrays]:
        if self.change is not None:
            arrays, fields = self.change(operation, arrays, fields)
        answer: tuple[dict[str, Any], Arrays] = self.worker.request(operation, arrays, **fields)
        return answer


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, the second over the first."""
    result = dict(base)
    for key, value in changes.items():
        own = result.get(key)
        result[key] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return result


def other_config(changes: Mapping[str, Any]) -> Change:
    """The side gets another configuration."""

    def change(operation: str, arrays: Arrays | None, fields: dict[str, Any]) -> Changed:
        if "config" in fields:
            fields = {**fields, "config": json.dumps(merged(json.loads(fields["config"]), changes))}
        return arrays, fields

    return change


def other_spec(overrides: Mapping[str, Any]) -> Change:
    """The side builds another network."""
    in_config = other_config({"model": {"overrides": overrides}})

    def change(operation: str, arrays: Arrays | None, fields: dict[str, Any]) -> Changed:
        if operation == "build":
            fields = {**fields, "overrides": merged(fields["overrides"], overrides)}
        return in_config(operation, arrays, fields)

    return change


def other_weights(name: str, alter: Callable[[np.ndarray], np.ndarray]) -> Change:
    """One tensor of the weights the side is given is another."""

    def change(operation: str, arrays: Arrays | None, fields: dict[str, Any]) -> Changed:
        if operation in ("load", "learner_load", "predict") and arrays is not None and name in arrays:
            arrays = {**arrays, name: np.ascontiguousarray(alter(arrays[name]))}
        return arrays, fields

    return change


def one_weight_off(array: np.ndarray) -> np.ndarray:
    """The first value moved by 1e-3."""
    moved = array.copy()
    moved.flat[0] += 1e-3
    return moved


_injected = ExitStack()


def known_faults(backend: str) -> dict[str, Callable[[], Any]]:
    """What `inject` knows for a backend. Faults that only one can have are in parity_tests/faults_<backend>.py."""
    own = f"parity_tests.faults_{backend}"
    return INJECTIONS | (importlib.import_module(own).INJECTIONS if find_spec(own) else {})


def inject(name: str | None, backend: str) -> None:
    """Replaces a function of this process, which runs `backend`; None undoes all. KeyError for an unknown fault."""
    _injected.close()
    if name is not None:
        _injected.enter_context(known_faults(backend)[name]())


@contextmanager
def _labels_by_corner() -> Iterator[None]:
    """Labels resized as OpenCV's INTER_NEAREST does, half a pixel off the picture."""

    def nearest(source: int, target: int) -> np.ndarray:
        table = np.arange(target) * source // target
        table.setflags(write=False)
        return table

    def resize_label_window(label: np.ndarray, size: tuple[int, int], window: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (nearest(label.shape[axis], size[axis])[window[axis]] for axis in (0, 1))
        return label[rows].take(columns, axis=1)

    own = "core.data.transforms."
    with mock.patch(own + "nearest", nearest), mock.patch(own + "resize_label_window", resize_label_window):
        yield


def _channels_swapped() -> Any:
    """Pictures normalised with red and blue exchanged."""
    own = Normalize.channels

    def channels(self: Normalize) -> np.ndarray:
        return own(self)[::-1].copy()

    return mock.patch.object(Normalize, "channels", channels)


INJECTIONS: dict[str, Callable[[], Any]] = {
    "labels by corner": _labels_by_corner,
    "channels swapped": _channels_swapped,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m parity_tests.faults FAULT BACKEND JOB …`: the backend's job, broken on purpose."""
    fault, backend, job, *rest = sys.argv[1:] if arguments is None else arguments
    inject(fault, backend)
    run: Callable[[list[str]], int] = importlib.import_module(f"backends.{backend}.{job}").main
    return run(rest)


if __name__ == "__main__":
    sys.exit(main())
