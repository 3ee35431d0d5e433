"""Climbs the whole ladder and writes what it found: parity.json, and a page that needs no other file."""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.description import package_versions
from core.errors import SegParityError
from parity_tests import campaign
from parity_tests.campaign import frameworks
from parity_tests.ladder import Outcome
from parity_tests.machine import processor


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
    found = {"python": platform.python_version(), "platform": platform.platform(), "processor": processor()}
    return found | package_versions()


def climb(backends: list[str], *, quick: bool, jobs: int, fresh: bool) -> Findings:
    """Climbs the whole plan on the backends that are there, and tells of each case."""
    start = time.perf_counter()
    present, missing = frameworks(backends)
    if len(present) < 2:
        raise SegParityError(f"a comparison needs two backends, there is {list(present) or 'none'}: {missing}")
    findings = Findings(present, missing)
    by_case = {}
    for found in campaign.climb(list(present), quick=quick, jobs=jobs, fresh=fresh):
        by_case[found.case] = found
        wrong = sum(not outcome.ok for outcome in found.outcomes)
        state = f"{wrong} of {len(found.outcomes)} beyond tolerance" if wrong else f"{len(found.outcomes)} agree"
        cost = "kept" if found.kept else f"{found.seconds:.0f} s"
        print(f"{time.perf_counter() - start:6.0f} s  {found.case:<48} {state} ({cost})", flush=True)
    for case, _ in campaign.plan(quick):
        found = by_case[case.name]
        findings.outcomes += found.outcomes
        if found.curves:
            findings.curves[case.name] = found.curves
        if found.profiles:
            findings.profiles[case.name] = found.profiles
    findings.seconds = time.perf_counter() - start
    return findings


def write_report(out: Path, backends: list[str], *, quick: bool = False, jobs: int = 1, fresh: bool = False) -> None:
    """Climbs, writes `out`/parity.json and `out`/index.html. Raises SegParityError if anything differs."""
    from parity_tests.report_page import page  # matplotlib is needed for the report alone

    findings = climb(backends, quick=quick, jobs=jobs, fresh=fresh)
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
