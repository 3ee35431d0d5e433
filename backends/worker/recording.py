"""What a trace of a network's submodules is written into."""

from __future__ import annotations

import numpy as np

INPUT = ":in"


class Recorder:
    """Collects what submodules take and give. One that is called again gets `#2`, `#3`, … behind its name."""

    def __init__(self) -> None:
        self.found: dict[str, np.ndarray] = {}
        self._open: list[tuple[str, np.ndarray | None]] = []

    def enter(self, name: str, array: np.ndarray | None) -> None:
        """Before the submodule `name` computes; `array`: its input, where that is a single tensor."""
        self._open.append((name, None if array is None else np.array(array)))

    def leave(self, name: str, array: np.ndarray | None) -> None:
        """After it has; `array`: its output, where that is a single tensor."""
        opened, taken = self._open.pop()
        if opened != name:
            raise RuntimeError(f"submodule {name} ended while {opened} was at work")
        if array is None:
            return
        unique, calls = name, 1
        while unique in self.found:
            calls += 1
            unique = f"{name}#{calls}"
        self.found[unique] = np.array(array)
        if taken is not None:
            self.found[unique + INPUT] = taken
