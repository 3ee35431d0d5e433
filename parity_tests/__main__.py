"""The ladder from the command line.

python -m parity_tests climb --arch pspnet_tiny --rungs 2,4       agreement in digits, as text
python -m parity_tests trace --arch pspnet_tiny --backends torch,paddle [--train] [--dtype float32] [--all]
python -m parity_tests compare --left torch:mine:build --right paddle:port:build --map names.yaml --input 1x3x64x64
python -m parity_tests report                                     report/parity/index.html and parity.json
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from backends.jobs.cli import run
from core.arch import PRESETS
from core.description import backend_names
from core.errors import ConfigError, SegParityError
from core.schema import nearest
from parity_tests.cases import FULL, NARROW, TINY, Case, small_case
from parity_tests.ladder import REFERENCE, Fleet, Ladder, pairs
from parity_tests.port.comparison import Target, compare_ports, size_of
from parity_tests.report import write_report
from parity_tests.rungs import RUNGS
from parity_tests.trace import Layer, first_divergence, layers, profile_table, single_steps, traced


def find_case(name: str) -> Case:
    """A case of the ladder by its name, or any preset. Raises ConfigError for an unknown one."""
    for case in (*TINY, *NARROW, *FULL):
        if case.name == name:
            return case
    if name not in PRESETS:
        raise ConfigError(f"unknown case or preset {name!r}.{nearest(name, sorted(PRESETS))}")
    case = small_case(name)
    case.spec()
    return case


def _backends(text: str) -> list[str]:
    names = text.replace(",", " ").split()
    unknown = [name for name in names if name not in backend_names()]
    if unknown or not names:
        raise SegParityError(f"--backends {text}: choose from {', '.join(backend_names())}")
    return names


def _say_steps(names: list[str], found: list[Layer], refused: dict[str, str], tolerance: float) -> None:
    """Raises SegParityError where a submodule, fed the first side's input, gives something else."""
    wrong = [layer for layer in found if not layer.given.relative <= tolerance]
    print(
        f"single steps, each submodule of {names[1]} fed {names[0]}'s input: {len(found)}, of which {len(wrong)} differ"
    )
    for layer in wrong:
        print(f"  {layer.given}")
    for name, why in refused.items():
        print(f"  {name}: does not take it: {why}")
    if wrong:
        raise SegParityError(f"the networks differ by more than {tolerance:.0e}")


def _trace(options: argparse.Namespace) -> None:
    if options.single_step and options.train:
        raise SegParityError("--single-step runs submodules in inference mode: leave --train out")
    names = _backends(options.backends)
    if len(names) != 2:
        raise SegParityError(f"--backends {options.backends}: a trace compares two")
    case = find_case(options.arch)
    tolerance = options.tolerance or (1e-9 if options.dtype == "float64" else 1e-4)
    with Fleet(names) as fleet:
        sides = [traced(fleet.get(name), case, dtype=options.dtype, train=options.train) for name in names]
        stepped = (
            single_steps(fleet.get(names[1]), case, sides[0], dtype=options.dtype) if options.single_step else None
        )
    found = layers(sides[0], sides[1])
    mode = "training" if options.train else "inference"
    print(f"{case.name}, {options.dtype}, {mode} mode, {' and '.join(names)}: {len(found)} submodules")
    if options.all:
        print(profile_table(found))
    if stepped is not None:
        _say_steps(names, *stepped, tolerance)
        return
    divergence = first_divergence(sides[0], sides[1], tolerance)
    if divergence is None:
        worst = max(found, key=lambda layer: layer.given.relative)
        print(f"no divergence beyond {tolerance:.0e}; the most is {worst.given}")
        return
    print(divergence.describe(*names))
    raise SegParityError(f"the networks differ by more than {tolerance:.0e}")


def _compare(options: argparse.Namespace) -> None:
    left = Target.parse(options.left, "--left", options.left_python)
    right = Target.parse(options.right, "--right", options.right_python)
    report = compare_ports(left, right, options.map, size_of(options.input), options.seed)
    for line in report.lines():
        print(line)
    if not report.ok:
        raise SegParityError("the two networks differ")
    print("the two networks agree")


def _climb(options: argparse.Namespace) -> None:
    names, wanted = _backends(options.backends), options.rungs.split(",")
    cases = [find_case(name) for name in re.split(",(?! )", options.arch)] if options.arch else list(TINY)
    wrong = 0
    with Fleet(names) as fleet:
        names = fleet.present()
        for reason in fleet.missing.values():
            print(f"missing: {reason}", file=sys.stderr)
        ladder = Ladder(fleet)
        for rung in RUNGS.values():
            if rung.name.split()[0] not in wanted:
                continue
            for case in cases if rung.per_case else cases[:1]:
                for first, second in pairs(rung, names):
                    for outcome in ladder.climb(rung, case, first, second):
                        wrong += not outcome.ok
                        print(f"{outcome.digits:5.1f} digits  {outcome}")
                ladder.forget()
    if wrong:
        raise SegParityError(f"{wrong} comparisons beyond their tolerance")


def _report(options: argparse.Namespace) -> None:
    backends = _backends(options.backends)
    write_report(options.out, backends, quick=options.quick, jobs=max(1, options.jobs), fresh=options.fresh)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    climb = commands.add_parser("climb", help="run rungs of the ladder and print digits of agreement")
    climb.add_argument(
        "--arch", default="", help="presets or cases ('fast_scnn_aux, narrow'), by commas; all tiny by default"
    )
    climb.add_argument("--rungs", default="1,2,3,4,5,6,7,8,9,10", help="numbers, separated by commas")
    climb.add_argument("--backends", default=",".join(backend_names()))
    climb.set_defaults(job=_climb)
    trace = commands.add_parser("trace", help="name the first submodule that differs between two backends")
    trace.add_argument("--arch", required=True, metavar="PRESET")
    trace.add_argument("--backends", default=",".join(backend_names()[:2]), help="two names")
    trace.add_argument("--train", action="store_true", help="training mode")
    trace.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    trace.add_argument("--tolerance", type=float, help="relative; 1e-9 in float64, 1e-4 in float32")
    trace.add_argument("--all", action="store_true", help="digits of agreement of every submodule")
    trace.add_argument("--single-step", action="store_true", help="feed each submodule the first backend's input")
    trace.set_defaults(job=_trace)
    port = commands.add_parser("compare", help="compare your own network with its port (docs/port_your_own.md)")
    for side in ("left", "right"):
        port.add_argument(
            f"--{side}", required=True, metavar="FRAMEWORK:MODULE:CALLABLE", help="what builds the network"
        )
        port.add_argument(f"--{side}-python", metavar="PATH", help="the Python that runs it, if not this one")
    port.add_argument("--map", type=Path, metavar="FILE", help="YAML: the left side's names to the right side's")
    port.add_argument("--input", required=True, metavar="SHAPE", help="of the random input, 1x3x64x64")
    port.add_argument("--seed", type=int, default=0, help="of the random input")
    port.set_defaults(job=_compare)
    report = commands.add_parser("report", help="climb everything and write the page")
    report.add_argument("--out", type=Path, default=Path("report/parity"), metavar="DIR")
    report.add_argument("--backends", default=",".join(backend_names()))
    report.add_argument("--quick", action="store_true", help="tiny networks alone")
    report.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="cases at a time")
    report.add_argument("--fresh", action="store_true", help="ask again for what an earlier run has kept")
    report.set_defaults(job=_report)
    options = parser.parse_args(arguments)
    return run(lambda: options.job(options))


__all__ = ["REFERENCE", "find_case", "main"]

if __name__ == "__main__":
    sys.exit(main())
