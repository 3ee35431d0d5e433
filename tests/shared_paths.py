"""Where the real data lies, for tests: beside the repository, never in it."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SEGPARITY_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def require_shared(relative: str) -> Path:
    """The file or folder under shared/; the test is skipped, with the reason, where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {path} (set SEGPARITY_SHARED to the folder that holds {relative})")
    return path
