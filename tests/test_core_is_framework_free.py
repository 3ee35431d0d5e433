"""core/, weights_convert/ and the jobs import no framework: neither in their text nor in a running interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = ("torch", "paddle", "mxnet", "gluoncv", "tensorflow")
MODULES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for package in ("core", "weights_convert", "backends/jobs")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__main__.py"
)


def test_no_framework_is_imported_when_everything_is() -> None:
    code = (
        f"import importlib, sys\nfor name in {MODULES!r}: importlib.import_module(name)\n"
        f"print([name for name in {FRAMEWORKS!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["core", "weights_convert", "backends/jobs"])
def test_no_framework_is_named_in_an_import(package: str) -> None:
    pattern = re.compile(rf"^\s*(?:import|from)\s+({'|'.join(FRAMEWORKS)})\b", re.MULTILINE)
    found = {str(path): pattern.findall(path.read_text()) for path in (ROOT / package).rglob("*.py")}
    assert not {path: names for path, names in found.items() if names}
