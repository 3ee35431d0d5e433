"""From measurements to ratios, a Markdown table and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.cases import REFERENCE, Case
from benchmarks.processes import Measurement
from core.description import backend_names


@dataclass(frozen=True)
class Ratio:
    """The median over the rounds of one candidate's time divided by another's in the same round, and the extremes."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}–{self.most:.2f})"


def turn_medians(measurement: Measurement) -> list[float]:
    return [statistics.median(times) for times in measurement.turns_ms]


def time_ratio(measurement: Measurement, reference: Measurement | None) -> Ratio | None:
    """Round by round, so that what slows the machine down for a while slows both; None without a common round."""
    if reference is None or unusable(measurement) or unusable(reference):
        return None
    ratios = [a / b for a, b in zip(turn_medians(measurement), turn_medians(reference))]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def memory_ratio(measurement: Measurement, reference: Measurement | None) -> float | None:
    if reference is None or unusable(measurement) or unusable(reference):
        return None
    if not measurement.peak_mib or not reference.peak_mib:
        return None
    return measurement.peak_mib / reference.peak_mib


def unusable(measurement: Measurement) -> bool:
    """A candidate that failed, be it after some rounds, has no figures: they would be of fewer rounds than others'."""
    return measurement.failure is not None or not measurement.turns_ms


@dataclass(frozen=True)
class Row:
    """One line of a case's table."""

    candidate: str
    framework: str
    build: str
    differences: str
    parameters: int | None
    median_ms: float | None
    time_ratio: Ratio | None
    peer: str
    peer_time_ratio: Ratio | None
    peak_mib: float | None
    memory_ratio: float | None
    peer_memory_ratio: float | None
    failure: str | None


def rows(measurements: Sequence[Measurement]) -> list[Row]:
    named = {measurement.candidate.name: measurement for measurement in measurements}
    reference = named.get(REFERENCE)
    result = []
    for measurement in measurements:
        candidate = measurement.candidate
        peer = named.get(candidate.peer)
        failed = unusable(measurement)
        result.append(
            Row(
                candidate=candidate.name,
                framework=candidate.framework,
                build=candidate.build,
                differences=candidate.differences,
                parameters=measurement.parameters,
                median_ms=None if failed else statistics.median(turn_medians(measurement)),
                time_ratio=time_ratio(measurement, reference),
                peer=candidate.peer,
                peer_time_ratio=time_ratio(measurement, peer),
                peak_mib=None if failed else measurement.peak_mib,
                memory_ratio=memory_ratio(measurement, reference),
                peer_memory_ratio=memory_ratio(measurement, peer),
                failure=(measurement.failure or "no turn was taken") if failed else None,
            )
        )
    return result


HEADER = (
    "candidate",
    "framework",
    "time, ms",
    f"time / {REFERENCE}",
    "time / own framework's peer",
    "memory, MiB",
    f"memory / {REFERENCE}",
    "memory / peer",
    "parameters, M",
)
LEGEND = f"""\
Time is per iteration, from arrays on the host to results on the host (training: forward, loss at the pictures' size,
backward, SGD step, the loss's value; inference: class numbers at the pictures' size). All candidates run in processes
of their own and take turns; a ratio is the median over the rounds of the two times of the same round, in brackets the
smallest and the largest. Memory is the peak of the resident size while iterating, above what the process held after its
imports. Candidates named {", ".join(backend_names())} are SegParity's backends; `A / B` below 1 means that A is faster
or smaller. Times in ms are of this machine: compare ratios."""


def markdown(case: Case, table: Sequence[Row]) -> str:
    """The case's table, then what each network differs in, then the reasons of those that were not measured."""
    lines = [f"## {case.title}, {case.shape}", "", *_lines([HEADER, *(_cells(row) for row in table)]), ""]
    if case.note:
        lines += [case.note, ""]
    lines += [f"- **{row.candidate}** (`{row.build}`): {row.differences}" for row in table if row.differences]
    lines += [f"- **{row.candidate}** was not measured: {row.failure}" for row in table if row.failure]
    return "\n".join(lines).rstrip() + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    def show(value: object, form: str = "") -> str:
        return "–" if value is None else format(value, form) if form else str(value)

    peer = "–" if row.peer_time_ratio is None else f"{row.peer_time_ratio} {row.peer}"
    return (
        row.candidate,
        row.framework,
        "not measured" if row.failure else show(row.median_ms, ".1f"),
        show(row.time_ratio),
        peer,
        show(row.peak_mib, ".0f"),
        show(row.memory_ratio, ".2f"),
        show(row.peer_memory_ratio, ".2f"),
        "–" if row.parameters is None else f"{row.parameters / 1e6:.2f}",
    )


def _lines(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*table)]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (w - 1) if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return [line(table[0]), line(rule), *(line(cells) for cells in table[1:])]


def to_json(case: Case, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The table's rows and every single time."""
    return {
        "case": case.name,
        "title": case.title,
        "shape": case.shape,
        "note": case.note,
        "rows": [asdict(row) for row in rows(measurements)],
        "turns_ms": {m.candidate.name: m.turns_ms for m in measurements},
        "baseline_mib": {m.candidate.name: m.baseline_mib for m in measurements},
        "versions": {m.candidate.name: m.versions for m in measurements},
    }
