"""The alignment ladder: from parameters up to training, each rung asked of every architecture and pair of backends.

    with Fleet(("torch", "paddle", "mxnet")) as fleet:
        ladder = Ladder(fleet)
        for outcome in ladder.climb(RUNGS[1], CASES[0], "torch", "paddle"): ...

The rungs themselves are in parity_tests/rungs. What a backend gives for a case is asked for once and kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from core.process import BackendMissing
from parity_tests.cases import Case
from parity_tests.client import Backend
from parity_tests.compare import compare, digits, first_beyond, worst
from parity_tests.tolerances import Tolerance, ladder_tolerance, measured_tolerance

Arrays = dict[str, np.ndarray]
Quantities = dict[str, Arrays]  # what a rung looks at -> arrays by name

REFERENCE = "numpy"  # the other side of a pair where the definition itself is compared with


class Asked(Protocol):
    """A worker, or one that is broken on purpose (parity_tests.faults.Faulty)."""

    name: str

    def request(self, operation: str, arrays: Any = None, **fields: Any) -> tuple[dict[str, Any], Arrays]: ...


@dataclass(frozen=True)
class Outcome:
    """One comparison. `where` names the array (so the layer) that differs most, or first beyond the tolerance."""

    rung: str
    case: str
    first: str
    second: str
    quantity: str
    relative: float
    tolerance: Tolerance
    where: str

    @property
    def ok(self) -> bool:
        return self.relative <= self.tolerance.limit

    @property
    def digits(self) -> float:
        return digits(self.relative)

    def __str__(self) -> str:
        sign = "agree" if self.ok else "DIFFER"
        return (
            f"{self.rung}, {self.case}: {self.first} and {self.second} {sign} in {self.quantity}: "
            f"{self.relative:.2e}, allowed {self.tolerance.limit:.0e} ({self.tolerance.reason}); {self.where}"
        )


class Rung:
    """A question. Subclasses say what they collect of a backend and, if there is one, what numpy says to it."""

    name = ""
    question = ""
    per_case = True  # else asked once, with any case
    has_reference = False
    gradient_floor = 0.0

    def collect(self, backend: Asked, case: Case) -> Quantities:
        """What this rung looks at, of one backend."""
        raise NotImplementedError

    def expected(self, case: Case) -> Quantities:
        """The same by definition, in numpy."""
        raise NotImplementedError

    def outcomes(self, ladder: Ladder, case: Case, first: str, second: str) -> list[Outcome]:
        """One Outcome per quantity."""
        ours, theirs = ladder.collected(self, first, case), ladder.collected(self, second, case)
        return [
            self.judge(case, first, second, q, ours[q], theirs[q], self.tolerance(ladder, case, q))
            for q in ours
            if q in theirs
        ]

    def tolerance(self, ladder: Ladder, case: Case, quantity: str) -> Tolerance:
        """Of a quantity in float32 that was asked for in float64 too: what the frameworks differ from themselves by."""
        tolerance = ladder_tolerance(self.name, quantity, case.name)
        exact = quantity.replace("float32", "float64")
        if exact == quantity:
            return tolerance
        own = []
        for name in ladder.fleet.present():
            found = ladder.collected(self, name, case)
            if exact in found:
                double = {key: array.astype(np.float64) for key, array in found[exact].items()}
                single = {key: array.astype(np.float64) for key, array in found[quantity].items()}
                own.append(worst(compare(double, single, floor=self._floor(quantity))).relative)
        return measured_tolerance(tolerance, own, kinks=quantity.startswith("gradients"))

    def _floor(self, quantity: str) -> float:
        return self.gradient_floor if quantity.startswith("gradients") else 0.0

    def judge(
        self,
        case: Case,
        first: str,
        second: str,
        quantity: str,
        ours: Arrays,
        theirs: Arrays,
        tolerance: Tolerance,
    ) -> Outcome:
        """Compares one quantity."""
        differences = compare(ours, theirs, floor=self._floor(quantity))
        shown = first_beyond(differences, tolerance.limit) or worst(differences)
        relative = worst(differences).relative
        return Outcome(self.name, case.name, first, second, quantity, relative, tolerance, str(shown))


class Fleet:
    """Worker processes by backend, started when first asked for. `missing`: why a backend is not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.missing: dict[str, str] = {}
        self._running: dict[str, Asked] = {}
        self._opened: list[Backend] = []
        self._folder = tempfile.TemporaryDirectory(prefix="segparity-fleet-")
        self.folder = Path(self._folder.name)  # for files that one backend writes and another reads

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for backend in self._opened:
            backend.close()
        self._folder.cleanup()

    def add(self, name: str, worker: Asked) -> None:
        """Another side to compare with, under a name of its own."""
        self._running[name] = worker

    def start(self, name: str) -> Backend:
        """A process of its own, ended with the fleet. Raises BackendMissing."""
        backend = Backend(name).__enter__()
        self._opened.append(backend)
        return backend

    def get(self, name: str) -> Asked:
        """Raises BackendMissing, each time again."""
        if name in self.missing:
            raise BackendMissing(self.missing[name])
        running = self._running.get(name)
        if running is None or (isinstance(running, Backend) and not running.alive):
            try:
                self._running[name] = self.start(name)
            except BackendMissing as error:
                self.missing[name] = str(error)
                raise
        return self._running[name]

    def present(self) -> list[str]:
        """The backends that start."""
        found = []
        for name in self.names:
            try:
                self.get(name)
                found.append(name)
            except BackendMissing:
                continue
        return found


class Ladder:
    """Climbs: asks the backends, remembers what they gave, compares."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._kept: dict[tuple[str, str, str], Any] = {}

    def remember(self, key: str, backend: str, case: Case, ask: Callable[[], Any]) -> Any:
        """What `ask` gives, asked once for this key, backend and case."""
        full = (key, backend, case.name)
        if full not in self._kept:
            self._kept[full] = ask()
        return self._kept[full]

    def forget(self) -> None:
        """Lets all arrays go."""
        self._kept.clear()

    def collected(self, rung: Rung, name: str, case: Case) -> Quantities:
        """What `rung` looks at, of a backend or of numpy."""
        if name == REFERENCE:
            return self.remember(rung.name, name, case, lambda: rung.expected(case))
        worker = self.fleet.get(name)
        return self.remember(rung.name, name, case, lambda: rung.collect(worker, case))

    def prepare(self, rung: Rung, case: Case, names: Sequence[str]) -> None:
        """Asks several backends at the same time."""
        with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
            for done in [pool.submit(self.collected, rung, name, case) for name in names]:
                done.result()

    def climb(self, rung: Rung, case: Case, first: str, second: str) -> list[Outcome]:
        """The outcomes of one rung for one case and pair."""
        return rung.outcomes(self, case, first, second)


def pairs(rung: Rung, backends: Sequence[str]) -> list[tuple[str, str]]:
    """Which sides a rung compares: every two backends, and each with numpy's definition where there is one."""
    found = [(first, second) for i, first in enumerate(backends) for second in backends[i + 1 :]]
    if rung.has_reference:
        found = [(REFERENCE, backend) for backend in backends] + found
    return found


def flat(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays under `prefix/`, without it."""
    start = prefix + "/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
