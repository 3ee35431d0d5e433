"""The tables of the zoo, made from the presets and from what was measured of them.

python -m core.zoo README.md docs/zoo.md docs/training.md      # each file gets the table that its markers ask for
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.arch import PRESETS, Preset
from core.description import backend_names
from core.errors import SegParityError
from core.files import write_text
from core.measurements import SIZE, SIZES, Agreement, Entry, Measurements, Run
from core.published import Figure, Published, published

MEASUREMENTS = Path("docs/zoo_measurements.json")
END = "<!-- zoo: end -->"
Machine = tuple[str, int]  # processor, threads
Row = tuple[str, ...]


def in_table(name: str) -> bool:
    """Whether the preset stands for a segmentation network that is no test's."""
    return PRESETS[name].spec.segments and not name.endswith("_tiny")


def short_table(measured: Measurements) -> str:
    """Markdown, for the README: one row per published network."""
    rows = [
        (
            f"`{name}`",
            _millions(preset.spec.parameter_count()),
            _giga(measured.of(preset)),
            _short_figure(_known(name).figures),
            preset.original,
            _paper(preset),
        )
        for name, preset in _published()
    ]
    header = ("preset", "parameters, M:", "multiply-adds, G:", "published mIoU", "original", "paper")
    return _markdown(header, rows)


def long_table(measured: Measurements) -> str:
    """Markdown, for docs/zoo.md: one row per published network with all that is known of it, and the machines."""
    machines = _machines(measured)
    places = [(machine, size) for machine in machines for size in SIZES]
    header = [
        "preset",
        "parameters, M:",
        "values in inference, M:",
        "multiply-adds, G:",
        "golden, inference:",
        "golden, training:",
    ]
    for machine, (height, width) in places:
        mark = _mark(machines.index(machine))
        header += [f"ms, {height}x{width} {mark}:", f"MiB, {height}x{width} {mark}:"]
    header += ["published mIoU", "published weights", "their licence", "original", "paper"]
    rows = [_long_row(preset, measured.of(preset), places) for _, preset in _published()]
    return "\n\n".join([_markdown(header, rows), *_legend(measured, machines)])


def _long_row(preset: Preset, entry: Entry | None, places: Sequence[tuple[Machine, tuple[int, int]]]) -> Row:
    golden = () if entry is None else entry.golden
    runs = () if entry is None else entry.runs
    cells = [
        f"`{preset.name}`",
        _millions(preset.spec.parameter_count()),
        _millions(preset.spec.inference_values()),
        _giga(entry),
        *(_digits([found for found in golden if found.mode == mode]) for mode in ("eval", "train")),
    ]
    for machine, size in places:
        here = {run.backend: run for run in runs if (run.mode, run.machine, run.size) == ("infer", machine, size)}
        cells += [
            _each({name: run for name, run in here.items() if not run.busy}, _milliseconds),
            _each(here, lambda run: f"{run.peak_mib:.0f}"),
        ]
    known = _known(preset.name)
    cells += [
        _figures(known.figures),
        _link(known.weights),
        (known.licence or "not stated") if known.weights else "",
        preset.original,
        _paper(preset),
    ]
    return tuple(cells)


def memory_table(measured: Measurements) -> str:
    """Markdown, for docs/training.md: the memory of training steps and, of the same networks, of inference, in GiB."""
    trained = {name for name, run in _runs(measured) if run.mode == "train"}
    found = [(name, run) for name, run in _runs(measured) if name in trained]
    processors = {run.processor for _, run in found if run.mode == "train"}
    found = sorted(
        ((name, run) for name, run in found if run.processor in processors), key=lambda pair: pair[1].peak_mib
    )
    machines = sorted({run.machine for _, run in found})
    cases = sorted({(run.mode != "train", run.size) for _, run in found})  # training first
    header = ["preset"]
    header += [f"{'inference' if infers else 'training'}, {size[0]}x{size[1]}:" for infers, size in cases]
    rows = []
    for name in filter(trained.__contains__, PRESETS):
        cells = [f"`{name}`"]
        for infers, size in cases:
            here = {  # of several numbers of threads the one that took the most
                run.backend: run
                for other, run in found
                if (other, run.mode != "train", run.size) == (name, infers, size)
            }
            cells.append(_each(here, lambda run: f"{run.peak_mib / 1024:.1f}"))
        rows.append(tuple(cells))
    words = [f"{_words(machine, [run for _, run in found if run.machine == machine])}." for machine in machines]
    return "\n\n".join([_markdown(header, rows), *words])


# Cells: empty where nothing is known


def _published() -> Iterable[tuple[str, Preset]]:
    return ((name, preset) for name, preset in PRESETS.items() if in_table(name))


def _known(name: str) -> Published:
    return published().get(name, Published())


def _link(where: str) -> str:
    """An address as a link by its host; other words as they are."""
    return f"[{where.split('/')[2]}]({where})" if where.startswith("https://") else where


def _millions(count: int) -> str:
    return f"{count / 1e6:.3f}"


def _giga(entry: Entry | None) -> str:
    return "" if entry is None else f"{entry.multiply_adds / 1e9:.2f}{_at(entry.input, SIZE)}"


def _milliseconds(run: Run) -> str:
    return f"{run.median_ms:.0f}{_at(run.input, run.size)}"


def _at(taken: tuple[int, int], size: tuple[int, int]) -> str:
    """Says the picture's size where the network does not take the table's."""
    return "" if taken == size else f" at {taken[0]}x{taken[1]}"


def _paper(preset: Preset) -> str:
    number = preset.paper.rsplit("arXiv:", 1)[-1]
    return preset.paper if number == preset.paper else f"[{number}](https://arxiv.org/abs/{number})"


def _figures(figures: Sequence[Figure]) -> str:
    sources = dict.fromkeys(figure.source for figure in figures)
    texts = []
    for source in sources:
        words = [
            f"{figure.miou:g} on {figure.data}, {figure.protocol or 'protocol not stated'}"
            for figure in figures
            if figure.source == source
        ]
        texts.append(f"{'; '.join(words)} ({source})")
    return "; ".join(texts)


def _short_figure(figures: Sequence[Figure]) -> str:
    return f"{figures[0].miou:g}, {figures[0].data}" if figures else ""


def _digits(found: Sequence[Agreement]) -> str:
    """Digits in which the worst output of the worst file agrees with the original's, for each backend."""
    worst: dict[str, str] = {}
    for name in backend_names():
        of_backend = [agreement for agreement in found if agreement.backend == name]
        if not of_backend:
            continue
        relatives = [agreement.relative for agreement in of_backend]
        if not all(agreement.passed for agreement in of_backend) or None in relatives:
            worst[name] = "fails"
        else:
            largest = max(relative for relative in relatives if relative is not None)
            worst[name] = f"{-math.log10(max(largest, 1e-16)):.1f}"
    return _each(worst, str)


def _each(values: dict[str, Run] | dict[str, str], show: Callable[..., str]) -> str:
    """`a / b / c` in the order of the backends, – for one without; empty where no backend has a value."""
    if not values:
        return ""
    return " / ".join(show(values[name]) if name in values else "–" for name in backend_names())


# Runs and machines


def _runs(measured: Measurements) -> Iterable[tuple[str, Run]]:
    """All that were measured of the table's networks, with their names."""
    for name, preset in _published():
        entry = measured.of(preset)
        for run in () if entry is None else entry.runs:
            yield name, run


def _in_long_table(run: Run) -> bool:
    return run.mode == "infer" and run.size in SIZES


def _machines(measured: Measurements) -> list[Machine]:
    """Those on which networks of the table were timed, the one with the most runs first."""
    all_runs = [run.machine for _, run in _runs(measured) if _in_long_table(run)]
    return sorted(set(all_runs), key=lambda machine: (-all_runs.count(machine), machine))


def _mark(index: int) -> str:
    return chr(ord("A") + index)


def _legend(measured: Measurements, machines: Sequence[Machine]) -> list[str]:
    lines = []
    for index, machine in enumerate(machines):
        runs = [run for _, run in _runs(measured) if _in_long_table(run) and run.machine == machine]
        lines.append(f"{_mark(index)}: {_words(machine, runs)}.")
    return lines


def _words(machine: Machine, runs: Iterable[Run]) -> str:
    processor, threads = machine
    versions = ", ".join(sorted({run.version for run in runs}))
    return f"{processor}, {threads} thread{'s' if threads > 1 else ''}; {versions}"


# Markdown


def _markdown(header: Sequence[str], rows: Iterable[Row]) -> str:
    """A column whose title ends with a colon is set to the right."""
    right = [title.endswith(":") for title in header]
    rule = " | ".join("---:" if column else "---" for column in right)
    lines = [f"| {' | '.join(title.removesuffix(':') for title in header)} |", f"| {rule} |"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


TABLES = {
    "<!-- zoo: begin (make table) -->": short_table,
    "<!-- zoo: begin, all that is known (make table) -->": long_table,
    "<!-- zoo: begin, memory (make table) -->": memory_table,
}


def put_table(text: str, where: str, measured: Measurements) -> str:
    """`text` with its table between its markers. Raises SegParityError where they are missing."""
    for begin, table in TABLES.items():
        if begin in text and END in text:
            before, rest = text.split(begin, 1)
            return f"{before}{begin}\n{table(measured)}\n{END}{rest.split(END, 1)[1]}"
    raise SegParityError(f"{where}: has no lines {' or '.join(map(repr, TABLES))} and {END!r} to put a table between")


def main(arguments: list[str]) -> int:
    if not arguments:
        print("usage: python -m core.zoo FILE…", file=sys.stderr)
        return 2
    try:
        measured = Measurements.read(MEASUREMENTS)
        for path in map(Path, arguments):
            write_text(path, put_table(path.read_text(encoding="utf-8"), str(path), measured))
    except (SegParityError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
