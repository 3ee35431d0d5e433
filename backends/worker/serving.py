"""One backend in a process of its own: `python -m backends.worker NAME`, driven by `core.process`.

A request is one JSON line on standard input, `{"op": …, "arrays": FILE or null, "out": FILE, …}`; the answer one JSON
line on standard output, `{"ok": true, …}` or `{"ok": false, "error": …, "kind": …}`. Arrays lie in safetensors files.
Whatever a framework prints goes to standard error. What an operation needs of a backend is in
`backends/<name>/parity.py`. A method marked `@operation` can be asked for; a subclass and its `helpers` bring more.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from backends.worker.recording import INPUT, Recorder
from core import safetensors
from core.arch import Spec, build
from core.errors import SegParityError

Arrays = dict[str, np.ndarray]
Answer = tuple[dict[str, Any], Arrays]
Operation = Callable[[Any, dict[str, Any], Arrays], Answer]

_MARKED: set[Operation] = set()


def operation(method: Operation) -> Operation:
    """Marks a method as something a request can ask for by its name."""
    _MARKED.add(method)
    return method


class Worker:
    """The network at work and the operations on it. Each takes a request with arrays, and gives fields and arrays."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.adapter: ModuleType = importlib.import_module(f"backends.{backend}.parity")
        self.device: ModuleType = importlib.import_module(f"backends.{backend}.device")
        self.state_of: ModuleType = importlib.import_module(f"backends.{backend}.state")
        self.spec: Spec | None = None
        self.model: Any = None

    def helpers(self) -> list[Any]:
        """The objects whose marked methods are the operations."""
        return [self]

    def find(self, name: str) -> Callable[[dict[str, Any], Arrays], Answer]:
        """The operation of that name. Raises ValueError for an unknown one."""
        known: dict[str, Callable[[dict[str, Any], Arrays], Answer]] = {}
        for helper in self.helpers():
            methods = {n: getattr(type(helper), n) for n in dir(type(helper)) if not n.startswith("_")}
            marked = [n for n, method in methods.items() if isfunction(method) and method in _MARKED]
            known |= {n: getattr(helper, n) for n in marked}
        if name not in known:
            raise ValueError(f"unknown operation {name!r}: {', '.join(known)}")
        return known[name]

    @operation
    def build(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """The network of `preset`, `overrides` and `num_classes`, in `dtype`; `dropout: false` builds it without."""
        self.free(request, arrays)
        spec = build(request["preset"], request.get("num_classes"), request.get("overrides"), "request")
        self.spec = spec if request.get("dropout", True) else spec.without_dropout()
        self.model = self.adapter.build(self.spec, request.get("dtype", "float32"))
        return {"framework": self.device.version()}, {}

    @operation
    def load(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Puts a canonical state into the network."""
        self.state_of.set_state(self.model, arrays)
        return {}, {}

    @operation
    def state(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """The network's canonical state, and its names in the network's own order."""
        return {"names": list(self.state_of.names(self.model))}, self.state_of.get_state(self.model)

    @operation
    def forward(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Logits `out/<i>` of `x`, main head first, at the heads' own resolution."""
        logits = self.adapter.forward(self.model, arrays["x"], request["train"])
        return {"outputs": len(logits)}, {f"out/{i}": array for i, array in enumerate(logits)}

    @operation
    def resize(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """`x` resized bilinearly to `size`, [height, width], by the framework."""
        return {}, {"x": self.adapter.resize(arrays["x"], tuple(request["size"]), request["align_corners"])}

    @operation
    def trace(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """What every named submodule down to `depth` takes (`<name>:in`) and gives for `x`; then the logits.

        `order`: names in the order in which the submodules finish.
        """
        recorder = Recorder()
        logits = self.adapter.trace(self.model, arrays["x"], request["train"], request.get("depth", 3), recorder)
        found = {**recorder.found, **{f"logits.{i}": array for i, array in enumerate(logits)}}
        return {"order": [name for name in found if not name.endswith(INPUT)]}, found

    @operation
    def free(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Lets the network go."""
        self.model = self.spec = None
        gc.collect()
        return {}, {}


def answer(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Carries one request out."""
    job = worker.find(request["op"])
    arrays = safetensors.load(Path(request["arrays"])).arrays if request.get("arrays") else {}
    fields, results = job(request, arrays)
    if results:
        safetensors.save(Path(request["out"]), results)
    return {"ok": True, "arrays": request["out"] if results else None, **fields}


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def serve(worker_type: Callable[[str], Worker], backend: str) -> int:
    """Answers requests until standard input ends; gives the exit status."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # frameworks print; the channel is ours alone
    faulthandler.enable()  # a fault in native code leaves the line of Python it came from
    try:
        worker = worker_type(backend)
    except ImportError as error:
        missing = f"{type(error).__name__}: {error}"
        _say(channel, {"ok": False, "kind": "missing", "error": missing})
        return 1
    _say(channel, {"ok": True, "backend": backend, "framework": worker.device.version()})
    for line in sys.stdin:
        try:
            _say(channel, answer(worker, json.loads(line)))
        except SegParityError as error:
            _say(channel, {"ok": False, "kind": type(error).__name__, "error": str(error)})
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            _say(channel, {"ok": False, "kind": "crash", "error": text})
    return 0
