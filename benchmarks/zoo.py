"""What the tables of the zoo are made from, measured into docs/zoo_measurements.json; `make zoo` makes the tables.

python -m benchmarks.zoo count                                   multiply-adds of every preset, from PyTorch's graph
python -m benchmarks.zoo golden report/golden.json               what `python -m parity_tests.golden … --json` found
python -m benchmarks.zoo measure --preset fast_scnn --threads 2  time and memory in every backend that is installed

A measurement that is there already is left alone, so that all can be stopped and gone on with. A time taken while other
programs used the processors is refused; `--busy 9` takes the run for its memory alone, until one on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.jobs.options import real, size, whole
from benchmarks.__main__ import machine
from benchmarks.cases import thread_environment
from core.arch import PRESETS
from core.description import backend_names, descriptions, interpreter
from core.errors import ConfigError, DataError, SegParityError
from core.measurements import BUSY, SIZE, SIZES, Agreement, Entry, Measurements, Run
from core.ranges import Range
from core.zoo import MEASUREMENTS, in_table

ROOT = Path(__file__).resolve().parents[1]


def count(name: str) -> Entry:
    """The multiply-adds of the preset's inference network on a picture of SIZE, or the next that it takes."""
    from benchmarks.multiply_adds_torch import multiply_adds

    spec = PRESETS[name].spec.for_inference()
    taken = spec.size_at_least(*SIZE)
    return Entry(PRESETS[name].spec.inference_values(), multiply_adds(spec, taken), taken)


def entry_of(measurements: Measurements, name: str) -> Entry:
    """The preset's entry, counted where there is none yet."""
    if measurements.of(PRESETS[name]) is None:
        measurements.put(name, count(name))
    return measurements.entries[name]


# Golden files


def worst(outputs: Iterable[dict[str, Any]]) -> dict[str, list[Agreement]]:
    """Preset -> the worst output of each file, backend and mode."""
    found: dict[tuple[str, tuple[str, str, str]], Agreement] = {}
    for output in outputs:
        fields = {key: output[key] for key in ("file", "backend", "mode", "dtype", "relative", "passed")}
        if fields["relative"] is not None:
            fields["relative"] = float(f"{fields['relative']:.2e}")
        new = Agreement(**fields)
        key = output["preset"], new.key
        old = found.get(key)
        if old is not None:
            known = old.relative is not None and new.relative is not None
            relative = max(old.relative, new.relative) if known else None  # type: ignore[type-var]
            new = replace(new, relative=relative, passed=old.passed and new.passed)
        found[key] = new
    presets: dict[str, list[Agreement]] = {}
    for (preset, _), agreement in found.items():
        presets.setdefault(preset, []).append(agreement)
    return presets


def merge_golden(measurements: Measurements, path: Path) -> int:
    """Takes over what parity_tests.golden found; what it says anew replaces the old. Returns the number of files."""
    try:
        presets = worst(json.loads(path.read_text(encoding="utf-8"))["outputs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no JSON of `python -m parity_tests.golden … --json` ({error!r})") from error
    for name, agreements in presets.items():
        if name in PRESETS:
            entry = entry_of(measurements, name)
            kept = {agreement.key: agreement for agreement in (*entry.golden, *agreements)}
            golden = tuple(kept[key] for key in sorted(kept))
            measurements.entries[name] = replace(entry, golden=golden)
    return len({agreement.file for agreements in presets.values() for agreement in agreements})


# Time and memory


def busy_seconds() -> float | None:
    """Processor seconds that all programs of this machine have taken so far (Linux)."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields[:8])) - idle) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Processor seconds of the programs started here that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(name: str, backend: str, picture: tuple[int, int], options: argparse.Namespace) -> Run:
    """Runs the backend's benchmark job. Raises ConfigError where it fails, with its last line."""
    host = machine(options.threads)
    spec = PRESETS[name].spec
    taken = (spec.for_inference() if options.mode == "infer" else spec).size_at_least(*picture)
    with tempfile.TemporaryDirectory(prefix="segparity-zoo-") as folder:
        file = Path(folder) / "figures.json"
        job = ["--preset", name, "--mode", options.mode, "--batch", "1", "--size", f"{taken[0]}x{taken[1]}"]
        job += ["--device", "cpu", "--iterations", str(options.iterations), "--json", str(file)]
        job += [] if options.warm_up is None else ["--warm-up", str(options.warm_up)]
        command = [interpreter(backend), "-m", f"backends.{backend}.benchmark", *job]
        environment = {**os.environ, **thread_environment(options.threads)}
        before, own, start = busy_seconds(), own_seconds(), time.monotonic()
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=options.limit
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(f"{name} in {backend}: not done after {options.limit:g} s (--limit)") from None
        elapsed, after = time.monotonic() - start, busy_seconds()
        if done.returncode or not file.exists():
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise ConfigError(f"{name} in {backend}: {lines[-1]}")
        figures = json.loads(file.read_text(encoding="utf-8"))
    others = None
    if before is not None and after is not None:
        others = round(max(after - before - (own_seconds() - own), 0.0) / elapsed, 2)
    return Run(
        backend=backend,
        version=figures["version"],
        processor=host["processor"],
        threads=host["threads"],
        size=picture,
        input=taken,
        median_ms=round(figures["median_ms"], 1),
        fastest_ms=round(figures["fastest_ms"], 1),
        peak_mib=round(figures["peak_mib"], 0),
        others=others,
        mode=options.mode,
    )


def measure_all(measurements: Measurements, options: argparse.Namespace) -> list[str]:
    """Measures what is not there yet and writes after each; what failed, in a sentence each."""
    failed = []
    host = machine(options.threads)
    for name in options.preset or filter(in_table, PRESETS):
        entry_of(measurements, name)
        for picture in options.size:
            for backend in options.backends:
                entry = measurements.entries[name]
                runs = {run.key: run for run in entry.runs}
                there = runs.get((options.mode, backend, (host["processor"], host["threads"]), picture))
                if there is not None and not options.again and (there.others or 0.0) <= options.busy:
                    continue
                try:
                    run = measure(name, backend, picture, options)
                    refuse_busy(name, run, options.busy)
                except ConfigError as error:
                    failed.append(str(error))
                    print(f"error: {error}", file=sys.stderr, flush=True)
                    continue
                runs[run.key] = run
                ordered = tuple(runs[key] for key in sorted(runs))
                measurements.entries[name] = replace(entry, runs=ordered)
                measurements.write(options.file)
                print(f"{name} {backend} {picture[0]}x{picture[1]}: {run.median_ms:.1f} ms", flush=True)
    return failed


def refuse_busy(name: str, run: Run, allowed: float) -> None:
    """A time taken while other programs used the processors is theirs as well. Raises ConfigError."""
    if run.others is not None and run.others > allowed:
        raise ConfigError(
            f"{name} in {run.backend}: others kept {run.others:g} processors busy meanwhile, {allowed:g} are allowed "
            "(--busy): measure on an idle machine"
        )


# The command line


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__.split("\n\n")[0])
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--file", type=Path, default=ROOT / MEASUREMENTS, help=f"default: {MEASUREMENTS}")
    jobs = command.add_subparsers(dest="job", required=True)
    counting = jobs.add_parser("count", parents=[shared], help="the multiply-adds of every preset")
    golden = jobs.add_parser("golden", parents=[shared], help="take over what parity_tests.golden found")
    golden.add_argument("results", type=Path, nargs="+", metavar="FILE")
    timing = jobs.add_parser("measure", parents=[shared], help="time and memory")
    for each in (counting, timing):
        each.add_argument("--preset", nargs="+", choices=sorted(PRESETS), metavar="NAME", help="default: all")
    installed = [name for name, description in descriptions().items() if description.installed]
    timing.add_argument("--backends", nargs="+", choices=backend_names(), default=installed, metavar="NAME")
    timing.add_argument("--mode", choices=("infer", "train"), default="infer")
    timing.add_argument("--size", nargs="+", type=size, default=list(SIZES), metavar="HxW")
    timing.add_argument("--threads", type=whole(Range(1)), help="default: the processors there are")
    timing.add_argument("--iterations", type=whole(Range(1)), default=10)
    timing.add_argument("--warm-up", type=whole(Range(0)), metavar="N", help="iterations before, not timed (3)")
    timing.add_argument("--limit", type=real(Range(1)), default=600, metavar="SECONDS", help="of one run")
    timing.add_argument("--busy", type=real(Range(0)), default=BUSY, metavar="PROCESSORS", help="that others may take")
    timing.add_argument("--again", action="store_true", help="measure what is there already, too")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    failed: list[str] = []
    try:
        measurements = Measurements.read(options.file)
        if options.job == "count":
            for name in options.preset or PRESETS:
                measurements.put(name, count(name))
            if options.preset is None:
                measurements.entries = {name: measurements.entries[name] for name in PRESETS}
        elif options.job == "golden":
            for path in options.results:
                print(f"{path}: {merge_golden(measurements, path)} files")
        else:
            failed = measure_all(measurements, options)
        measurements.write(options.file)
    except (SegParityError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
