"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Real pictures, published weights and golden vectors live beside the repository and are not part of it.
SHARED = Path(os.environ.get("SEGPARITY_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED} (set SEGPARITY_SHARED)")
    return SHARED
