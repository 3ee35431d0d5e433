"""MXNet's operators on maps that oneDNN keeps in blocks of channels, against float64, which oneDNN does not touch.

    python -m parity_tests.onednn                                        # all operators and processors: a table
    python -m parity_tests.onednn --isa AVX2 --operators layers.concat   # some of them
    python -m parity_tests.onednn --networks                             # a training pass of every tiny network

A convolution before the operator and one behind it give map and gradient the layout convolutions like best: blocks of
16 channels with AVX-512, of 8 with AVX2 and below, plain where the channels do not divide. Faults end the process, so a
worker (parity_tests.habits.layouts_mxnet) runs the cases and is started again behind the one that it died in; one for
each kind of processor, DNNL_MAX_CPU_ISA, which oneDNN reads once. Exit status 1 if anything outside `FAULTY` fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from core.arch import PRESETS
from core.description import interpreter
from core.process import ROOT
from core.signals import describe_end

ISAS = ("ALL", "AVX2", "AVX", "SSE41")  # ALL: whatever the processor has, as if unset
WIDTHS = (1, 3, 6, 7, 8, 12, 16, 19, 24)
# Float32 rounds to 6e-8 and the longest sums here have some 300 terms: 2e-5 at most. A value read from the wrong place
# of a layout is off by its own size.
LIMIT = 1e-4
LOSS_LIMIT = 1e-3  # of a whole network in training mode, whose batch norms divide by small variances
# What fails in MXNet 1.9.1 and networks do not use (tests/test_mxnet_operators.py); anything else has to pass.
FAULTY = ("F.concat", "F.slice, front", "F.slice, back", "F.softmax, last axis", "nn.PReLU")

Case = Sequence[Any]  # [operator, width] or ["network", preset, overrides]


def run_cases(cases: Iterable[Case], isa: str) -> list[tuple[Case, float | str]]:
    """Each case's distance from float64, or in words how it failed."""
    environment = {**os.environ, "DNNL_MAX_CPU_ISA": isa, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("MXNET_MKLDNN_ENABLED", None)  # off, there would be nothing to see
    left = list(cases)
    results: list[tuple[Case, float | str]] = []
    while left:
        command = [interpreter("mxnet"), "-m", "parity_tests.habits.layouts_mxnet", json.dumps(left)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        results += [(line["end"], line.get("distance", line.get("error"))) for line in said if "end" in line]
        if done.returncode > 0 or (done.returncode < 0 and not (said and "begin" in said[-1])):
            raise RuntimeError(f"the worker {describe_end(done.returncode)}\n{done.stderr[-2000:]}")
        if done.returncode < 0:
            results.append((said[-1]["begin"], describe_end(done.returncode)))
        left = left[sum("begin" in line for line in said) :]
    return results


def failed(result: float | str, limit: float = LIMIT) -> bool:
    return isinstance(result, str) or not result <= limit


def operators() -> list[str]:
    """All operators that the worker knows."""
    code = "from parity_tests.habits import layouts_mxnet as m; print('\\n'.join([*m.FUNCTIONS, *m.BLOCKS]))"
    command = [interpreter("mxnet"), "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def network_cases() -> list[Case]:
    return [["network", name, {}] for name in PRESETS if name.endswith("_tiny")]


def _short(result: float | str) -> str:
    if not isinstance(result, str):
        return f"{result:.0e}" if result <= LIMIT else f"**{result:.0e}**"
    return f"**{result.split(' (')[0].removeprefix('died of ').removeprefix('MXNetError: ')}**"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", default=",".join(ISAS), help="values of DNNL_MAX_CPU_ISA (default: %(default)s)")
    parser.add_argument("--operators", help="names apart by semicolons (default: all)")
    parser.add_argument("--networks", action="store_true", help="the tiny networks instead of operators")
    options = parser.parse_args(arguments)
    names = options.operators.split(";") if options.operators else operators()
    cases = network_cases() if options.networks else [[name, width] for name in names for width in WIDTHS]
    limit, bad = LOSS_LIMIT if options.networks else LIMIT, 0
    for isa in options.isa.split(","):
        results = run_cases(cases, isa)
        bad += sum(failed(result, limit) and case[0] not in FAULTY for case, result in results)
        print(f"\n### DNNL_MAX_CPU_ISA={isa}\n", flush=True)
        if options.networks:
            for case, result in results:
                print(f"{case[1]}: {_short(result)}")
            continue
        print("| operator | " + " | ".join(map(str, WIDTHS)) + " |\n|" + " --- |" * (len(WIDTHS) + 1))
        for name in names:
            print(f"| {name} | " + " | ".join(_short(result) for case, result in results if case[0] == name) + " |")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
