"""The demonstration's runs and its page, with one framework and its twin."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.description import descriptions
from parity_tests import demo
from tests.backends.conftest import settings


def test_the_twin_starts_one_ulp_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (torch := descriptions().get("torch")) or not torch.installed:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("torch not installed (make setup)")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    runs, out = tmp_path / "runs", tmp_path / "report"
    changes = settings(train__iterations="4", optimizer__lr="0.1", schedule__warmup_iterations="0")
    status = demo.main(["--backends", "torch", "--twin", *changes, "--runs", str(runs), "--out", str(out)])
    assert status == 0
    printed = capsys.readouterr().out
    rows = {name: values for name, *values in (re.split(r"\s{2,}", line.strip()) for line in printed.splitlines())}
    first = [float(value) for value in rows["first loss"]]
    assert first[0] == pytest.approx(first[1], rel=1e-5)
    last = [float(value) for value in rows["last loss"]]
    assert last[0] != last[1]
    page = (out / "index.html").read_text()
    assert "One config, one seed, 1 framework<" in page
    assert "torch, one ulp off" in page
    strips = list(out.glob("prediction_*.png"))
    assert len(strips) == 3
    pictures = [cv2.imread(str(path)) for path in (*strips, out / "losses.png")]
    assert all(np.ptp(picture) > 100 for picture in pictures)


def test_an_unknown_backend_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--backends", "torch jax", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "unknown backends ['jax']" in capsys.readouterr().err
