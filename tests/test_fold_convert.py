"""`weights_convert --fold`, and weights read into networks with folded batch norms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.arch import build
from core.fold import fold
from core.initialize import initial_state
from weights_convert import convert_file, import_weights, load_weights
from weights_convert.__main__ import main
from weights_convert.convert import write_native
from weights_convert.formats import read


@pytest.mark.parametrize("extension", ["pth", "pdparams", "params", "safetensors"])
def test_folded_files_are_read_again(extension: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = build("fast_scnn_tiny", 5).for_inference()
    state = initial_state(spec.parameters(), 1)
    write_native(tmp_path / "whole.safetensors", spec, state, {"preset": "fast_scnn_tiny", "format": "segparity"})
    target = tmp_path / f"folded.{extension}"
    assert main([str(tmp_path / "whole.safetensors"), str(target), "--fold", "--arch", "fast_scnn_tiny"]) == 0
    assert "batch norms are folded" in capsys.readouterr().out
    expected_spec, expected = fold(spec, state)
    got = import_weights(target, origin="segparity", preset="fast_scnn_tiny")  # shapes tell, where metadata cannot
    assert got.spec.folds() == expected_spec.folds()
    assert all(np.array_equal(got.state[name], array) for name, array in expected.items())


def test_metadata_say_what_is_folded_and_twice_is_once(tmp_path: Path) -> None:
    spec = build("fcn_mobilenet_v2_tiny", 5).for_inference()
    whole, once, twice = (tmp_path / f"{name}.safetensors" for name in ("whole", "once", "twice"))
    write_native(whole, spec, initial_state(spec.parameters(), 1), {})
    convert_file(whole, once, preset="fcn_mobilenet_v2_tiny", fold=True)
    assert json.loads(read(once).metadata["overrides"])["folded_norms"] == ["*"]
    convert_file(once, twice, fold=True)
    assert once.stat().st_size == twice.stat().st_size
    one, two = read(once), read(twice)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_whole_weights_are_folded_when_a_folded_network_reads_them(tmp_path: Path) -> None:
    spec = build("fast_scnn_tiny", 5).for_inference()
    state = initial_state(spec.parameters(), 1)
    write_native(tmp_path / "whole.pth", spec, state, {})
    loaded = load_weights(tmp_path / "whole.pth", spec.folded())
    assert set(loaded.state) == {parameter.name for parameter in spec.folded().parameters()}
    assert any("folded" in note for note in loaded.notes)
