"""The worker process of the ladder: `python -m parity_tests.worker NAME`.

What `backends.worker` answers, and beside it a Learner at work, faults put in on purpose and the frameworks' habits.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from backends.worker.serving import Answer, Arrays, Worker, operation, serve
from parity_tests import faults
from parity_tests.learning import Learning
from parity_tests.port.worker import steps


class LadderWorker(Worker):
    """The operations that the rungs ask for."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.learning = Learning(backend, self.adapter)

    def helpers(self) -> list[Any]:
        return [self, self.learning]

    @operation
    def fault(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Breaks this process on purpose (parity_tests.faults); without `name` it is put right again."""
        faults.inject(request.get("name"), self.backend)
        return {}, {}

    @operation
    def steps(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """What each of the named submodules gives for an input of its own, in inference mode."""
        port = importlib.import_module(f"parity_tests.port.{self.backend}")
        return steps(port, self.model, arrays)

    @operation
    def difference(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Runs a snippet of parity_tests/habits that shows how the framework itself computes something."""
        shown = importlib.import_module(f"parity_tests.habits.{self.backend}")
        return {}, getattr(shown, request["name"])()


if __name__ == "__main__":
    sys.exit(serve(LadderWorker, sys.argv[1]))
