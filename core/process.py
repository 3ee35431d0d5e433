"""Starts a backend in a process of its own and talks to it: see `backends.worker` for the protocol.

    with BackendProcess("paddle") as paddle:
        paddle.request("build", preset="espnet_tiny", num_classes=5)
        paddle.request("load", state)
        fields, arrays = paddle.request("forward", {"x": picture}, train=False)

One process holds one framework, and this one holds none. The interpreter of a backend can be another environment's:
SEGPARITY_PYTHON_MXNET=/path/to/python.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, TypeVar

import numpy as np

from core import safetensors
from core.description import FOLDER, interpreter
from core.errors import SegParityError
from core.signals import describe_end

ROOT = FOLDER.parent


class BackendMissing(SegParityError):
    """The framework, or the backend's folder, is not installed."""


class BackendFailed(SegParityError):
    """The worker refused a request, or died."""


Opened = TypeVar("Opened", bound="BackendProcess")


class BackendProcess:
    """A worker process. Raises BackendMissing on entry if its framework cannot be imported."""

    serves: ClassVar = "backends.worker"  # the module that the process runs

    def __init__(self, name: str) -> None:
        self.name = name
        self.framework = ""
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0
        self._preset = ""  # of the network that was built last

    def __enter__(self: Opened) -> Opened:
        if not (FOLDER / self.name / "parity.py").exists():
            raise BackendMissing(f"backend {self.name}: there is no backends/{self.name}/parity.py")
        self._folder = tempfile.TemporaryDirectory(prefix=f"segparity-{self.name}-")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._log: IO[bytes] = open(Path(self._folder.name) / "stderr", "w+b")
        self._process = subprocess.Popen(
            [interpreter(self.name), "-m", self.serves, self.name],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            greeting = self._answer("start")
        except BaseException:
            self.close()
            raise
        if not greeting["ok"]:
            self.close()
            raise BackendMissing(f"backend {self.name}: {greeting['error']}")
        self.framework = greeting["framework"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Ends the process and deletes its files."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.close()
                self._process.wait(timeout=20)
            except (subprocess.TimeoutExpired, OSError):
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()
            self._log.close()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def request(
        self, operation: str, arrays: Mapping[str, np.ndarray] | Path | None = None, **fields: Any
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Carries out one operation. `arrays` may be a safetensors file, which several backends can share.

        Raises BackendFailed with the worker's own message.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._folder is not None
        self._count += 1
        self._preset = str(fields.get("preset", self._preset))
        sent: Path | None = None
        if isinstance(arrays, Path):
            fields["arrays"] = str(arrays)
        elif arrays is not None:
            sent = Path(self._folder.name) / f"{self._count}.in.safetensors"
            safetensors.save(sent, arrays)
            fields["arrays"] = str(sent)
        out = Path(self._folder.name) / f"{self._count}.out.safetensors"
        try:
            self._process.stdin.write(json.dumps({"op": operation, "out": str(out), **fields}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death(operation) from None
        answer = self._answer(operation)
        if sent is not None:
            sent.unlink()
        if not answer["ok"]:
            raise BackendFailed(f"{self.name}: {operation}: {answer['error']}")
        results: dict[str, np.ndarray] = {}
        if answer.get("arrays"):
            results = safetensors.load(out).arrays
            out.unlink()
        return answer, results

    def _answer(self, operation: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._death(operation)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self, operation: str) -> BackendFailed:
        """In which operation on which network the worker died, of what, and what it wrote last."""
        assert self._process is not None
        where = f"{operation} of {self._preset}" if self._preset else operation
        return BackendFailed(f"{self.name}: {where}: the worker {describe_end(self._process.wait())}\n{self._tail()}")

    def _tail(self, most: int = 2000) -> str:
        """The end of what the worker wrote to standard error."""
        self._log.flush()
        with open(self._log.name, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - most))
            return log.read().decode(errors="replace")
