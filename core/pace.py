"""How fast a run goes, what it waits for and how long it will take. Clocks decide nothing of what a run computes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BOTTLENECK = 0.5  # the share of waiting from which the loader is what limits a run


@dataclass(frozen=True)
class Lap:
    """What a run has done since the last report. Seconds; validations and the writing of checkpoints are apart.

    seconds: the whole lap's; waited: of those, for the loader's batches. left: until the run ends, with its
    validations.
    """

    iterations: int
    pictures: int
    seconds: float
    waited: float
    left: float

    @property
    def waiting(self) -> float:
        """The share of the time that was spent waiting for data, 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        waiting = f"{100 * self.waiting:.0f} % waiting"
        if self.waiting >= BOTTLENECK:
            waiting = f"the loader is the bottleneck: {waiting}"
        return f"{self.rate:.1f} pictures/s, {waiting}, {duration(self.left)} left"


class Pace:
    """Measures a run of `iterations` iterations of `batch_size` pictures, standing at iteration `done`.

    validations_after: how many validations the run has still to do after an iteration.
    """

    def __init__(
        self,
        done: int,
        iterations: int,
        batch_size: int,
        validations_after: Callable[[int], int],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._iterations, self._batch_size, self._clock = iterations, batch_size, clock
        self._validations_after = validations_after
        self._last = done  # the iteration of the last report
        self._waited = self._apart = 0.0  # since then
        self._start = clock()
        self._validation = 0.0  # seconds of the last one

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What is done in the block is waiting for data."""
        start = self._clock()
        try:
            yield
        finally:
            self._waited += self._clock() - start

    @contextmanager
    def apart(self, validation: bool = False) -> Iterator[None]:
        """What is done in the block is not training; a validation's time counts in what is left."""
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._apart += seconds
            if validation:
                self._validation = seconds

    def lap(self, iteration: int) -> Lap:
        """The report at `iteration`, and the start of the next lap."""
        now = self._clock()
        done, seconds, waited = iteration - self._last, now - self._start - self._apart, self._waited
        self._last, self._start, self._apart, self._waited = iteration, now, 0.0, 0.0
        left = (self._iterations - iteration) * seconds / max(done, 1)
        left += self._validations_after(iteration) * self._validation
        return Lap(done, done * self._batch_size, max(seconds, 0.0), waited, left)


def duration(seconds: float) -> str:
    """In the two largest units: "42 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    total = round(seconds)
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, total = divmod(total, size)
        if count or parts or name == "s":
            parts.append(f"{count} {name}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ") or len(parts) == 1)
