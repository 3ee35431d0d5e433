"""Options and fixtures for all tests.

The tests of tests/backends import a framework, and one process holds one framework: they run with `--backend NAME`.
Without it they are left to tests/test_backends.py, which starts a pytest of its own for each backend.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from core.description import backend_names
from tests.shared_paths import SHARED

settings.register_profile("no deadline", deadline=None)  # nothing is asserted by the clock
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=backend_names(), help="run tests/backends with this framework")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    needs_backend = collection_path.name == "backends" and collection_path.parent.name == "tests"
    return True if needs_backend and config.getoption("--backend") is None else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED} (set SEGPARITY_SHARED)")
    return SHARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests recorded as their `summary`: the outcome of the pytests that they started."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == "summary":
                    terminalreporter.write_line(str(value))
