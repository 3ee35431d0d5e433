"""No file of the MXNet backend calls an operator that oneDNN's layouts break (`python -m parity_tests.onednn`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MXNET = Path(__file__).resolve().parents[1] / "backends" / "mxnet"
# Where the calls are made safe.
HOME = MXNET / "layers" / "concat.py"
BROKEN = {
    r"\b(F|nd|mx\.nd|sym)\.(concat|Concat|concatenate)\(": "backends.mxnet.layers.concat",
    r"\b(F|nd|mx\.nd|sym)\.(slice|crop)\(": "F.slice_axis, or F.slice of layers.plain",
    r"\bnn\.(HybridConcurrent|Concurrent|PReLU)\((?!PReLU)": "layers.concat, layers.PReLU",
    r"act_type=[\"']prelu": "layers.PReLU",
}


@pytest.mark.skipif(not MXNET.exists(), reason="the MXNet backend has been deleted")
@pytest.mark.parametrize("pattern", BROKEN)
def test_no_broken_operator_is_called(pattern: str) -> None:
    found = [
        f"{path.relative_to(MXNET)}: {line.strip()}"
        for path in sorted(MXNET.rglob("*.py"))
        if path != HOME
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(pattern, line) and not line.startswith("class ")
    ]
    assert not found, f"use {BROKEN[pattern]} instead: {found}"


@pytest.mark.parametrize(
    ("pattern", "call"),
    list(
        zip(BROKEN, ["y = F.concat(a, b, dim=1)", "F.slice(x, begin=0)", "nn.PReLU(in_channels=8)", 'act_type="prelu"'])
    ),
)
def test_the_patterns_find_such_calls(pattern: str, call: str) -> None:
    assert re.search(pattern, call)
    assert not re.search(pattern, "y = concat(F, a, b); F.slice_axis(x, axis=1); layers.PReLU(8)")
