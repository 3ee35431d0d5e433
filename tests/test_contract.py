"""Every backend against its contract, core/backend.py, as mypy sees it: names, parameters, types.

No framework is imported. The check is made for the backends that there are, so a fourth is checked too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.description import backend_names

pytest.importorskip("mypy", reason="mypy is not installed (make setup)")
ROOT = Path(__file__).resolve().parents[1]
HEAD = """
from collections.abc import Callable, Mapping

import numpy as np

from core.arch import Spec
from core.backend import Adapter, Devices, Learner, PredictorType, States
from core.config import Config
"""
CLAIM = """
from backends.{0} import device as {0}_device, parity as {0}_parity, state as {0}_state
from backends.{0}.inference import Predictor as {0}_predictor
from backends.{0}.learner import Learner as {0}_learner

{0}_0: Callable[[Spec, Config, str], Learner] = {0}_learner
{0}_1: type[Learner] = {0}_learner
{0}_2: PredictorType = {0}_predictor
{0}_3: Devices = {0}_device
{0}_4: States = {0}_state
{0}_5: Adapter = {0}_parity
"""
# What mypy must refuse: a method missing, another type returned.
BROKEN = """

class Broken:
    def set_state(self, model: object, weights: Mapping[str, np.ndarray]) -> None: ...

    def get_state(self, model: object) -> dict[str, int]:
        return {}


broken: States = Broken()
"""


def mypy(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "claims.py"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_backend_keeps_the_contract(tmp_path: Path) -> None:
    result = mypy(HEAD + "".join(CLAIM.format(name) for name in backend_names()), tmp_path)
    assert result.returncode == 0, result.stdout


def test_a_broken_one_is_refused(tmp_path: Path) -> None:
    result = mypy(HEAD + BROKEN, tmp_path)
    assert result.returncode == 1
    for said in ("missing following", "names", "dict[str, int]"):
        assert said in result.stdout, result.stdout
