"""The process of one side: `python -m parity_tests.port.worker NAME`. It builds what a callable of anybody's gives."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backends.worker.recording import INPUT, Recorder
from backends.worker.serving import Answer, Arrays, Worker, operation, serve
from core.errors import SegParityError


def find_callable(module: str, name: str, folder: str) -> Callable[[], Any]:
    """`name` of a module, or of a file, found from `folder`. Raises SegParityError."""
    sys.path.insert(0, folder)
    try:
        if module.endswith(".py"):
            path = Path(folder) / module
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ImportError(f"there is no file {path}")
            sys.path.insert(0, str(path.parent))
            loaded = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
        else:
            loaded = importlib.import_module(module)
    except ImportError as error:
        raise SegParityError(f"{module}: cannot be imported from {folder}: {error}") from error
    if not callable(getattr(loaded, name, None)):
        raise SegParityError(f"{module}: has no callable {name!r} that would build the network")
    return getattr(loaded, name)


def seed_of(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """What an output is weighted by before all are added up: the same on both sides."""
    return np.random.default_rng(1000 + number).standard_normal(shape)


class PortWorker(Worker):
    """One side. Names and layouts are the framework's own."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.device = importlib.import_module(f"backends.{backend}.device")
        self.adapter = importlib.import_module(f"parity_tests.port.{backend}")
        self.model: Any = None

    @operation
    def open(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Builds the network; `x` goes through it once, which gives Gluon's parameters their shapes."""
        self.model = find_callable(request["module"], request["callable"], request["folder"])()
        self.adapter.prepare(self.model, "float32")
        self.adapter.forward(self.model, arrays["x"], False)
        return {"matrices": self.adapter.matrices(self.model), "modules": list(self.adapter.submodules(self.model))}, {}

    @operation
    def cast(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        self.adapter.prepare(self.model, request["dtype"])
        return {}, {}

    @operation
    def state(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        found = self.adapter.state(self.model)
        return {"names": list(found)}, found

    @operation
    def load(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        self.adapter.set_state(self.model, arrays)
        return {}, {}

    @operation
    def forward(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        outputs = self.adapter.forward(self.model, arrays["x"], request["train"])
        return {}, {f"output {i}": array for i, array in enumerate(outputs)}

    @operation
    def backward(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        return {}, self.adapter.backward(self.model, arrays["x"], seed_of)

    @operation
    def trace(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """What every submodule takes (`<name>:in`) and gives; `order`: as they finish."""
        recorder = Recorder()
        self.adapter.trace(self.model, arrays["x"], recorder)
        return {"order": [name for name in recorder.found if not name.endswith(INPUT)]}, recorder.found

    @operation
    def steps(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """What each of the named submodules gives for an input of its own; one that does not take it is left out."""
        return steps(self.adapter, self.model, arrays)


def steps(adapter: Any, model: Any, arrays: Arrays) -> Answer:
    """`name` -> what that submodule gives for the array; `refused`: why it gives nothing."""
    found, refused = {}, {}
    for name, x in arrays.items():
        try:
            given = adapter.step(model, name.partition("#")[0], x)
        except Exception as error:  # whatever anybody's module raises for an input of another shape
            refused[name] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            continue
        if given is not None:
            found[name] = given
    return {"refused": refused}, found


if __name__ == "__main__":
    sys.exit(serve(PortWorker, sys.argv[1]))
