"""The worker processes of a test session, one per backend, and what happens where a backend is missing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from core.description import backend_names
from core.process import BackendMissing
from parity_tests.ladder import REFERENCE, Fleet, Ladder

NOT_SHOWN = "parity not shown: "


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # three processes share the machine
    with Fleet(backend_names()) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def ladder(fleet: Fleet) -> Ladder:
    return Ladder(fleet)


def require(fleet: Fleet, *names: str) -> None:
    """Skips the test, counted and loud, if a backend is missing; where CI is set, fails it."""
    for name in names:
        if name == REFERENCE:
            continue
        try:
            fleet.get(name)
        except BackendMissing as error:
            if os.environ.get("CI"):
                pytest.fail(f"{error} (CI is set: every backend must be there)")
            pytest.skip(NOT_SHOWN + str(error))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if NOT_SHOWN in reason:
            skipped[reason.splitlines()[-1].rpartition(NOT_SHOWN)[2]] += 1
    for reason, count in skipped.items():
        terminalreporter.write_line(f"PARITY NOT SHOWN: {count} comparisons skipped: {reason}", yellow=True, bold=True)
