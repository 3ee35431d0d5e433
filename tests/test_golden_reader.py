"""The golden files' recipe and the comparison with them, without a framework."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.arch import PRESETS
from core.errors import SpecError, WeightsError
from parity_tests import golden as command
from parity_tests.golden import compare, make_input, make_parameter, make_parameters, plan_outputs, read_golden
from parity_tests.tolerances import FLOAT64, FLOORS, golden_tolerance
from tests.golden_files import PRESET_OF
from tests.shared_paths import require_shared


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    """The program that made the golden files."""
    path = require_shared("golden/golden.py")
    spec = importlib.util.spec_from_file_location("golden_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (4, 2, 3, 3)])
@pytest.mark.parametrize("name", ["a.weight", "b.1.bias", "bn.gamma", "bn.beta", "x._weight", "pos_embed"])
def test_parameters_and_inputs_are_the_recipes(recipe: ModuleType, name: str, shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(make_parameter(name, shape), recipe.fill(name, shape))
    np.testing.assert_array_equal(make_input((1, *shape), 3), recipe.golden_input((1, *shape), 3))


def test_a_file_is_read_as_the_recipe_reads_it(recipe: ModuleType) -> None:
    path = require_shared("golden/ESPNet/ESPNet_12.safetensors")
    theirs = recipe.read(path)
    ours = read_golden(path)
    for name, array in recipe.parameters(theirs).items():
        np.testing.assert_array_equal(make_parameters(ours)[name], array)
    for mode in ("eval", "train"):
        assert len(ours.outputs[mode]) == len(theirs[mode])
        np.testing.assert_array_equal(ours.outputs[mode][0], theirs[mode][0])


def test_files_that_are_no_golden_files_are_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "x.safetensors", {"source": '"ESPNet"'})
    (tmp_path / "y.safetensors").write_bytes(b"nothing")
    for name in ("x", "y", "z"):
        with pytest.raises(WeightsError, match=f"{name}.safetensors: is no golden file"):
            read_golden(tmp_path / f"{name}.safetensors")


def test_comparison_samples_rows_and_columns() -> None:
    ours = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)
    theirs = ours[..., ::3, ::3].copy()
    assert compare("eval/0", ours, theirs, ours.shape, 3, 1e-6).passed
    theirs[0, 0, 1, 1] += 2.1
    found = compare("eval/0", ours, theirs, ours.shape, 3, 0.1)
    assert found.largest == pytest.approx(2.1, rel=1e-6)
    assert found.relative == pytest.approx(2.1 / 23.1, rel=1e-6)
    assert found.passed
    assert not compare("eval/0", ours, theirs, ours.shape, 3, 0.05).passed


def test_nan_another_shape_and_a_missing_output_fail() -> None:
    theirs = np.ones((1, 1, 2, 2), np.float32)
    assert not compare("x", np.full_like(theirs, math.nan), theirs, theirs.shape, 1, 1e9).passed
    assert not compare("x", np.ones((1, 1, 3, 2), np.float32), theirs, theirs.shape, 1, 1e9).passed
    assert not compare("x", None, theirs, theirs.shape, 1, 1e9).passed
    assert not compare("x", theirs, theirs, (1, 1, 4, 4), 1, 1e9).passed


@pytest.mark.parametrize("name", PRESET_OF)
def test_resizing_is_planned_only_where_the_original_resizes(name: str) -> None:
    golden = read_golden(require_shared(f"golden/{name}.safetensors"))
    for mode in ("eval", "train"):
        plan = plan_outputs(golden, mode)
        assert len(plan) == len(golden.outputs[mode])
        for (index, size), shape in zip(plan, golden.shapes[mode]):
            assert size is None or size == shape[2:]
            assert index < len(golden.outputs[mode])
        sizes = [size for _, size in plan]
        if name.startswith(("GALD", "Fast", "ESPNet")):
            assert sizes == [None] * len(sizes)
        elif not name.startswith("mmseg"):
            assert None not in sizes


def test_every_preset_of_an_original_has_a_floor_and_no_floor_is_lax() -> None:
    published = {name for name, preset in PRESETS.items() if "of this project" not in preset.original}
    assert set(FLOORS) == published
    assert max(FLOORS.values()) <= 8e-4
    light = [name for name in FLOORS if name.startswith(("espnet", "fast_scnn", "setr"))]
    assert max(FLOORS[name] for name in light) <= 1e-5


def test_tolerances() -> None:
    assert golden_tolerance("setr_mla_mxnetseg", recorded_in_float64=True, dtype="float64") == FLOAT64 == 1e-5
    assert golden_tolerance("espnet_p2_q8", recorded_in_float64=False, dtype="float64") == pytest.approx(5e-6)
    assert golden_tolerance("pspnet_resnet101_gald", recorded_in_float64=False, dtype="float32") == pytest.approx(4e-3)
    with pytest.raises(SpecError, match="no floor for espnet_tiny"):
        golden_tolerance("espnet_tiny", recorded_in_float64=False, dtype="float32")


def _unknown(path: Path, source: str) -> Path:
    facts = {
        "source": source,
        "model": "none",
        "parameters": [["a.weight", [3, 3]]],
        "inputs": {mode: {"shape": [1, 3, 64, 64], "seed": 1} for mode in ("eval", "train")},
        "stride": 1,
        "outputs": {"eval": [], "train": []},
    }
    save_file({"stats/x": np.zeros(1, np.float32)}, path, {key: json.dumps(value) for key, value in facts.items()})
    return path


@pytest.mark.parametrize("source", ["mmseg", "SomebodyElse"])
def test_a_file_without_a_preset_fails_unless_allowed(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _unknown(tmp_path / "g.safetensors", source)
    monkeypatch.setattr(command, "Backend", _Nothing)
    assert command.main([str(path)]) == 1
    assert f"{source}/none" in capsys.readouterr().out
    assert command.main([str(path), "--allow-missing"]) == 0
    assert f"NO PRESET  {source}/none" in capsys.readouterr().out


class _Nothing:
    """A backend that starts and is never asked for anything."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> _Nothing:
        return self

    def close(self) -> None:
        pass


def test_wrong_arguments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path / "none"), "--backends", "jax"]) == 2
    assert command.main([str(tmp_path / "none"), "--backends", ""]) in (1, 2)
    assert "no such file" in capsys.readouterr().err
