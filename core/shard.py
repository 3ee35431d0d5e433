"""Several processes as one run: which share of it is this process's, and what all of them agree on.

A framework's own launcher starts the processes; `backends/<name>/distributed.py` reads its environment variables and
brings a `Processes`. A batch is the whole run's: each of its parts (train.accumulation) is split into shares of
consecutive pictures, the first processes taking one more where it does not come out even. Process 0 writes, all read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.errors import ConfigError, TrainingError


@dataclass(frozen=True)
class Shard:
    """Process `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` things are this process's: consecutive ones, as many as the others' or one more."""
        least, more = divmod(count, self.world)
        start = self.rank * least + min(self.rank, more)
        return range(start, start + least + (self.rank < more))


SINGLE = Shard()


class Processes(Protocol):
    """The processes of a run. Every process calls each method equally often, in the same order.

    Raises Lost where another process has ended.
    """

    shard: Shard

    def sum(self, array: np.ndarray) -> np.ndarray:
        """The sum of all processes' arrays, float64 or int64 of one shape."""

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        """Every process's array, float64 or int64 of one dimension; lengths may differ. By rank."""

    def leave(self) -> None:
        """This process's work is done."""


class Alone:
    """One process."""

    shard = SINGLE

    def sum(self, array: np.ndarray) -> np.ndarray:
        return array

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        return [array]

    def leave(self) -> None: ...


ALONE = Alone()


def total(processes: Processes, value: float) -> float:
    """The sum of all processes' numbers."""
    return float(processes.sum(np.array([value], np.float64))[0])


def barrier(processes: Processes) -> None:
    """Returns when all processes have come here."""
    processes.sum(np.zeros(1, np.float64))


def agree(processes: Processes, error: Exception | None) -> None:
    """Raises this process's `error`; where another has one, TrainingError with its words. All go on, or none.

    Called where one process may fail at what the others do not do, before they wait for it.
    """
    said = "" if error is None else f"{error}"
    texts = [bytes(array.astype(np.uint8)).decode() for array in processes.gather(_bytes(said, error is not None))]
    if error is not None:
        raise error
    for rank, text in enumerate(texts):
        if text:
            raise TrainingError(f"process {rank} of {processes.shard.world}: {text[1:]}")


def _bytes(text: str, failed: bool) -> np.ndarray:
    """int64 of a text behind a mark, nothing where there is no error."""
    return np.frombuffer(f"!{text}".encode() if failed else b"", np.uint8).astype(np.int64)


@dataclass(frozen=True)
class Roles:
    """The environment variables by which a process takes one of several roles: the role's, one of `roles`, the number
    of workers', and what must be set with them. start: what to start, for the error."""

    role: str
    roles: tuple[str, ...]
    workers: str
    needed: tuple[str, ...]
    start: str

    def read(self, environment: Mapping[str, str]) -> tuple[str | None, int]:
        """The role and the number of workers; none and 1 where neither is set. Raises ConfigError for half of it."""
        names = (self.role, self.workers, *self.needed)
        found = {name: environment.get(name, "") for name in names}
        if not found[self.role] and not found[self.workers]:
            return None, 1
        missing = [name for name, value in found.items() if not value]
        wrong = None
        if missing:
            wrong = f"{', '.join(name for name in names if found[name])} set, {', '.join(missing)} not"
        elif found[self.role] not in self.roles:
            wrong = f"{self.role} is {found[self.role]!r}, none of {', '.join(self.roles)}"
        else:
            for name in (self.workers, *(name for name in self.needed if name.endswith(("PORT", "SERVER")))):
                if not found[name].isdigit() or int(found[name]) < 1:
                    wrong = f"{name} is {found[name]!r}, no number from 1"
        if wrong:
            raise ConfigError(f"environment: {wrong}; start {self.start}, or unset {', '.join(names)} to run alone")
        return found[self.role], int(found[self.workers])


class Lost(TrainingError):
    """Another process of the run has ended."""


def lost(shard: Shard, error: Exception | str) -> Lost:
    """What is raised where the others cannot be reached."""
    reason = (str(error).strip().splitlines() or ["no answer"])[0]
    return Lost(
        f"process {shard.rank} of {shard.world}: another process has ended or cannot be reached ({reason}); "
        "look at what it said, and go on from the last checkpoint with --resume"
    )


@dataclass(frozen=True)
class Variables:
    """The environment variables by which a launcher tells a process its place.

    rank, world: whole numbers. needed: what must be set too where there is more than one process. launcher: a command
    that sets them, for the error.
    """

    rank: str
    world: str
    needed: tuple[str, ...]
    launcher: str

    def read(self, environment: Mapping[str, str]) -> Shard:
        """The shard; one process where neither is set. Raises ConfigError for an environment that is half set."""
        found = {name: environment.get(name, "") for name in (self.rank, self.world)}
        if not any(found.values()):
            return Shard()
        missing = [name for name, value in found.items() if not value]
        if missing:
            self._refuse(f"{', '.join(n for n in found if n not in missing)} is set, {missing[0]} is not")
        rank, world = (self._number(name, value) for name, value in found.items())
        if not 0 <= rank < world:
            self._refuse(f"{self.rank} is {rank}, {self.world} is {world}")
        missing = [name for name in self.needed if not environment.get(name)]
        if world > 1 and missing:
            self._refuse(f"{self.rank} and {self.world} are set, {', '.join(missing)} not")
        return Shard(rank, world)

    def _number(self, name: str, value: str) -> int:
        if not value.strip().isdigit():
            self._refuse(f"{name} is {value!r}, no whole number")
        return int(value)

    def _refuse(self, what: str) -> None:
        names = ", ".join((self.rank, self.world, *self.needed))
        raise ConfigError(f"environment: {what}; start with {self.launcher}, or unset {names} to run as one process")
