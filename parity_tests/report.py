"""Climbs the whole ladder and writes what it found: parity.json, and a page that needs no other file."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.description import package_versions
from core.errors import SegParityError
from parity_tests.cases import FULL, NARROW, TINY, Case
from parity_tests.ladder import REFERENCE, Fleet, Ladder, Outcome, Rung, pairs
from parity_tests.rungs import RUNGS
from parity_tests.rungs.training import Training, divergence
from parity_tests.trace import layers, traced


@dataclass
class Findings:
    """Everything the page shows. Curves and profiles are by case, then by title."""

    backends: dict[str, str]
    missing: dict[str, str]
    outcomes: list[Outcome] = field(default_factory=list)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    profiles: dict[str, dict[str, list[tuple[str, float]]]] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        outcomes = [
            {
                "rung": o.rung,
                "case": o.case,
                "pair": [o.first, o.second],
                "quantity": o.quantity,
                "relative": o.relative if np.isfinite(o.relative) else None,
                "digits": round(o.digits, 2),
                "tolerance": o.tolerance.limit,
                "reason": o.tolerance.reason,
                "ok": o.ok,
                "where": o.where,
            }
            for o in self.outcomes
        ]
        return {
            "environment": environment(),
            "backends": self.backends,
            "missing": self.missing,
            "seconds": round(self.seconds, 1),
            "outcomes": outcomes,
            "divergence": self.curves,
            "profiles": self.profiles,
        }


def environment() -> dict[str, str]:
    """Versions and machine."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "processor": _processor()}
    return found | package_versions()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def plan(quick: bool) -> Iterator[tuple[Rung, Case]]:
    """What is climbed, case by case, so that arrays can be let go after each."""
    once = [(rung, TINY[0]) for rung in RUNGS.values() if not rung.per_case]
    yield from once
    for case in TINY:
        yield from ((rung, case) for rung in RUNGS.values() if rung.per_case)
    if quick:
        return
    for case in NARROW:
        yield from ((RUNGS[name], case) for name in ("1 parameters", "2 forward", "4 backward"))
    for case in FULL:
        yield from ((RUNGS[name], case) for name in ("1 parameters", "2 forward"))


def climb(fleet: Fleet, *, quick: bool) -> Findings:
    """Runs the plan on the backends that are there."""
    start = time.perf_counter()
    names = fleet.present()
    if len(names) < 2:
        raise SegParityError(f"a comparison needs two backends, there is {names or 'none'}: {fleet.missing}")
    frameworks = {name: str(getattr(fleet.get(name), "framework", name)) for name in names}
    findings, ladder = Findings(frameworks, dict(fleet.missing)), Ladder(fleet)
    last: Case | None = None
    for rung, case in plan(quick):
        if last is not None and case is not last:
            ladder.forget()
        last = case
        if rung.name != "9 checkpoints":  # that one is a conversation
            ladder.prepare(rung, case, ([REFERENCE] if rung.has_reference else []) + names)
        found = [outcome for pair in pairs(rung, names) for outcome in ladder.climb(rung, case, *pair)]
        findings.outcomes += found
        wrong = sum(not outcome.ok for outcome in found)
        state = f"{wrong} of {len(found)} beyond tolerance" if wrong else f"{len(found)} agree"
        print(f"{time.perf_counter() - start:6.0f} s  {rung.name:<14} {case.name:<40} {state}", flush=True)
        if isinstance(rung, Training):
            findings.curves[case.name] = _curves(rung, ladder, case, names)
        if rung.name == "4 backward" and case.thorough:
            findings.profiles[case.name] = _profiles(fleet, case, names)
    findings.seconds = time.perf_counter() - start
    return findings


def _curves(rung: Training, ladder: Ladder, case: Case, names: list[str]) -> dict[str, list[float]]:
    """The divergence of every pair's losses in float32, and of each framework's from its own by one ulp."""
    losses = {name: ladder.collected(rung, name, case)["losses, float32"]["losses"] for name in names}
    found = {f"{a} – {b}": divergence(losses[a], losses[b]).tolist() for a, b in pairs(RUNGS["2 forward"], names)}
    for name in names:
        found[f"{name}, one ulp"] = rung.self_divergence(ladder, case, name).tolist()
    return found


def _profiles(fleet: Fleet, case: Case, names: list[str]) -> dict[str, list[tuple[str, float]]]:
    """The relative difference of every submodule's output in training mode, by pair and dtype."""
    found = {}
    for dtype in ("float64", "float32"):
        sides = {name: traced(fleet.get(name), case, dtype=dtype, train=True) for name in names}
        for first, second in pairs(RUNGS["2 forward"], names):
            profile = [(layer.name, layer.given.relative) for layer in layers(sides[first], sides[second])]
            found[f"{first} – {second}, {dtype}"] = profile
    return found


def write_report(out: Path, backends: list[str], *, quick: bool = False) -> None:
    """Climbs, writes `out`/parity.json and `out`/index.html. Raises SegParityError if anything differs."""
    from parity_tests.report_page import page  # matplotlib is needed for the report alone

    with Fleet(backends) as fleet:
        findings = climb(fleet, quick=quick)
    out.mkdir(parents=True, exist_ok=True)
    data = findings.to_json()
    (out / "parity.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (out / "index.html").write_text(page(data), encoding="utf-8")
    for reason in findings.missing.values():
        print(f"MISSING: {reason}", file=sys.stderr)
    print(f"\nreport: {out / 'index.html'} ({findings.seconds:.0f} s, {len(findings.outcomes)} comparisons)")
    wrong = [outcome for outcome in findings.outcomes if not outcome.ok]
    if wrong:
        raise SegParityError("beyond their tolerance:\n  " + "\n  ".join(str(outcome) for outcome in wrong))
