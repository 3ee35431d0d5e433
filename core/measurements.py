"""What was measured of the presets, kept in docs/zoo_measurements.json: the tables of the zoo are made from it.

An entry is of one network: where the preset's network is another by now, the entry counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from core.arch import Preset
from core.errors import DataError
from core.files import write_text
from core.schema import convert, to_plain

T = TypeVar("T")
SIZE = (512, 1024)  # of the picture whose multiply-adds are counted
BUSY = 0.2  # processors: what other programs may take while a network is timed
SIZES = (SIZE, (1024, 2048))  # of the pictures that are timed


@dataclass(frozen=True)
class Agreement:
    """The worst output of one golden file in one backend and mode, `eval` or `train`.

    relative: the largest difference over the largest value; None where it is no number.
    """

    file: str
    backend: str
    mode: str
    dtype: str
    relative: float | None
    passed: bool

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.backend, self.mode


@dataclass(frozen=True)
class Run:
    """The benchmark job on one picture: `size` is the table's, `input` the one that the network takes.

    mode: `infer`, or `train`: forward, loss, backward and the optimizer's step.
    peak_mib: the largest resident size of the process, with the framework and the building of the network.
    others: processors that other programs kept busy meanwhile, on the average; None where that cannot be told.
    """

    backend: str
    version: str
    processor: str
    threads: int
    size: tuple[int, int]
    input: tuple[int, int]
    median_ms: float
    fastest_ms: float
    peak_mib: float
    others: float | None = None
    mode: str = "infer"

    @property
    def busy(self) -> bool:
        """Whether others used the processors too: then the memory is the network's, the time is not."""
        return self.others is not None and self.others > BUSY

    @property
    def machine(self) -> tuple[str, int]:
        return self.processor, self.threads

    @property
    def key(self) -> tuple[str, str, tuple[str, int], tuple[int, int]]:
        return self.mode, self.backend, self.machine, self.size


@dataclass(frozen=True)
class Entry:
    """One preset's measurements. `values`: `Spec.inference_values`, by which the network is known again.

    multiply_adds: of the inference network on one picture of `input`.
    """

    values: int
    multiply_adds: int
    input: tuple[int, int] = SIZE
    golden: tuple[Agreement, ...] = ()
    runs: tuple[Run, ...] = ()


def read_entries(path: Path, kind: type[T]) -> dict[str, T]:
    """Preset -> what a JSON file says of it; an absent file says nothing. Raises DataError, ConfigError."""
    if not path.exists():
        return {}
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected a mapping of presets")
    return {name: convert(entry, kind, str(path), name) for name, entry in values.items()}


@dataclass
class Measurements:
    """Preset -> entry."""

    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Measurements:
        """An absent file is one without entries. Raises DataError, ConfigError for one that is none of ours."""
        return cls(read_entries(path, Entry))

    def write(self, path: Path) -> None:
        """A line for each agreement and run, so that versions of the file can be compared."""
        entries = ",\n".join(f"{json.dumps(name)}: {_text(self.entries[name])}" for name in sorted(self.entries))
        write_text(path, f"{{\n{entries}\n}}\n")

    def of(self, preset: Preset) -> Entry | None:
        """The preset's entry, unless it is of another network than the preset's."""
        entry = self.entries.get(preset.name)
        return entry if entry is not None and entry.values == preset.spec.inference_values() else None

    def put(self, name: str, entry: Entry) -> None:
        """The network's count; what was measured of it stays, unless it was of another network."""
        old = self.entries.get(name)
        same = old is not None and (old.values, old.multiply_adds) == (entry.values, entry.multiply_adds)
        self.entries[name] = old if same and old is not None else entry


def _text(entry: Entry) -> str:
    plain: Mapping[str, Any] = to_plain(entry)
    head = [f"{json.dumps(key)}: {json.dumps(plain[key])}" for key in ("values", "multiply_adds", "input")]
    lists = [f"\n {json.dumps(key)}: {_lines(plain[key])}" for key in ("golden", "runs") if plain[key]]
    return "{" + ", ".join(head) + "".join(f",{text}" for text in lists) + "}"


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    return "[\n  " + ",\n  ".join(json.dumps(item) for item in items) + "]"
