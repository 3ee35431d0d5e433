"""`python -m weights_convert`: from every format to every format, bit for bit, and nothing half done."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from core.arch import PRESETS, build
from core.description import backend_names
from core.errors import ConfigError, WeightsError
from core.initialize import initial_state
from tests.shared_paths import require_shared
from weights_convert import convert_file, import_weights
from weights_convert.__main__ import main, overrides_of
from weights_convert.convert import checksum, write_native
from weights_convert.formats import read
from weights_convert.inspection import inspect_file
from weights_convert.native_names import native_name

EXTENSIONS = ("pth", "pdparams", "params", "safetensors")
TINY = sorted(name for name in PRESETS if name.endswith("_tiny"))


@pytest.mark.parametrize("preset", TINY)
def test_round_trips_through_all_formats_are_bit_exact(preset: str, tmp_path: Path) -> None:
    spec = build(preset, 5)
    state = initial_state(spec.parameters(), 3)
    write_native(tmp_path / "0.pth", spec, state, {})
    path = tmp_path / "0.pth"
    for i, extension in enumerate([*EXTENSIONS[1:], *EXTENSIONS[::-1], "params", "pth"], start=1):
        target = tmp_path / f"{i}.{extension}"
        convert_file(path, target, preset=preset)
        path = target
    result = import_weights(path, preset=preset).state
    assert list(result) == list(state)
    for name, array in state.items():
        assert result[name].dtype == array.dtype
        assert result[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(EXTENSIONS, 2)))
def test_every_pair_of_formats(one: str, other: str, tmp_path: Path) -> None:
    spec = build("setr_mla_tiny", 4)
    state = initial_state(spec.parameters(), 1)
    write_native(tmp_path / f"a.{one}", spec, state, {})
    imported, _ = convert_file(tmp_path / f"a.{one}", tmp_path / f"b.{other}")
    assert (imported.fit.source.name, imported.fit.preset) == ("segparity", "setr_mla_tiny")
    assert checksum(import_weights(tmp_path / f"b.{other}").state) == checksum(state)


# backend -> extension, last name of a running variance, last name of a norm's scale, whether linear weights are swapped
NATIVE = {
    "torch": ("pth", "running_var", "weight", False),
    "paddle": ("pdparams", "_variance", "weight", True),
    "mxnet": ("params", "running_var", "gamma", False),
}


@pytest.mark.parametrize("backend", [name for name in NATIVE if name in backend_names()])
def test_each_framework_gets_its_own_names_and_layouts(backend: str, tmp_path: Path) -> None:
    spec = build("setr_pup_tiny", 4)
    state = initial_state(spec.parameters(), 1)
    extension, variance, scale, swapped = NATIVE[backend]
    write_native(tmp_path / f"w.{extension}", spec, state, {})
    native = read(tmp_path / f"w.{extension}")
    qkv, norm = "backbone.blocks.0.attn.qkv.weight", "head.convs.0.bn"
    np.testing.assert_array_equal(native[qkv], state[qkv].T if swapped else state[qkv])
    np.testing.assert_array_equal(native[f"{norm}.{variance}"], state[f"{norm}.running_var"])
    np.testing.assert_array_equal(native[f"{norm}.{scale}"], state[f"{norm}.weight"])
    assert (list(native) == list(state)) == (backend == "torch")


def test_prelu_slopes_have_a_name_of_their_own_in_each_framework() -> None:
    slope = next(p for p in build("espnet_tiny").parameters() if p.kind == "prelu")
    expected = {"torch": "weight", "paddle": "_weight", "mxnet": "alpha"}
    names = {backend: native_name(slope, backend).name for backend in backend_names() if backend in expected}
    assert names == {backend: f"encoder.level1.act.{expected[backend]}" for backend in names}


def test_the_canonical_file_says_what_it_is(tmp_path: Path) -> None:
    source = require_shared("checkpoints/espnet/espnet_p_2_q_8_camvid.pth")
    target = tmp_path / "w.safetensors"
    assert main([str(source), str(target), "--dataset", "camvid", "--normalization", "espnet_camvid"]) == 0
    metadata = read(target).metadata
    assert (metadata["preset"], metadata["num_classes"], metadata["dataset"]) == ("espnet_p2_q8", "12", "camvid")
    assert metadata["origin"].startswith("espnet")
    assert json.loads(metadata["normalization"]) == "espnet_camvid"
    assert "Sky" in str(json.loads(metadata["classes"])) or "sky" in str(json.loads(metadata["classes"]))
    assert metadata["checksum"] == checksum(import_weights(target).state)
    assert json.loads(metadata["spec"])["q"] == 8
    again = tmp_path / "again.safetensors"
    convert_file(target, again)
    assert read(again).metadata == metadata


def test_metadata_decides_between_networks_that_look_alike(tmp_path: Path) -> None:
    spec = build("pspnet_tiny", 4, {"align_corners": False})
    state = initial_state(spec.parameters(), 0)
    write_native(tmp_path / "plain.pth", spec, state, {})
    metadata = {"preset": "pspnet_tiny", "overrides": '{"align_corners": false}', "num_classes": "4"}
    write_native(tmp_path / "stated.safetensors", spec, state, metadata)
    assert import_weights(tmp_path / "plain.pth").spec.align_corners
    imported, _ = convert_file(tmp_path / "stated.safetensors", tmp_path / "out.safetensors")
    assert not imported.spec.align_corners
    assert not import_weights(tmp_path / "out.safetensors").spec.align_corners


def test_more_classes_than_outputs_are_refused(tmp_path: Path) -> None:
    spec = build("pspnet_tiny", 4)
    write_native(tmp_path / "w.pth", spec, initial_state(spec.parameters(), 0), {})
    with pytest.raises(WeightsError, match="cityscapes has 19 classes, the network 4 outputs"):
        convert_file(tmp_path / "w.pth", tmp_path / "w.safetensors", dataset="cityscapes")


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.pth", "out.safetensors"],
        ["junk.pth", "out.safetensors"],
        ["good.pth", "out.weights"],
        ["good.pth", "no/such/folder/out.pth"],
        ["good.pth", "out.safetensors", "--from", "mmseg"],
        ["good.pth", "out.safetensors", "--from", "nobody"],
        ["good.pth", "out.safetensors", "--arch", "pspnet"],
        ["good.pth", "out.safetensors", "--set", "nonsense"],
        ["good.pth", "out.safetensors", "--set", "no_such_field=1"],
        ["nan.pth", "out.safetensors"],
    ],
)
def test_errors_are_one_message_and_leave_nothing_behind(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = build("espnet_tiny", 6)
    state = initial_state(spec.parameters(), 0)
    write_native("good.pth", spec, state, {})
    write_native("nan.pth", spec, state | {"decoder.up2.weight": np.full((6, 6, 2, 2), np.inf, np.float32)}, {})
    Path("junk.pth").write_bytes(b"PK\x03\x04 not a zip")
    before = sorted(tmp_path.iterdir())
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(tmp_path.iterdir()) == before


def test_settings_are_nested_yaml() -> None:
    assert overrides_of(["backbone.heads=4", "taps=[1, 2]", "backbone.width=32"]) == {
        "backbone": {"heads": 4, "width": 32},
        "taps": [1, 2],
    }
    with pytest.raises(ConfigError, match=r"--set heads: expected key\.path=value, such as backbone"):
        overrides_of(["heads"])


def test_settings_describe_what_shapes_do_not_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"backbone": {"heads": 4}}
    spec = build("setr_naive_tiny", 4, changes)
    write_native(tmp_path / "w.params", spec, initial_state(spec.parameters(), 0), {})
    target = tmp_path / "w.safetensors"
    arguments = [str(tmp_path / "w.params"), str(target), "--arch", "setr_naive_tiny", "--set", "backbone.heads=4"]
    assert main(arguments) == 0
    assert import_weights(target).spec == spec
    assert '"heads": 4' in capsys.readouterr().out


def test_inspect_shows_every_tensor_and_a_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = build("espnet_tiny", 6)
    state = initial_state(spec.parameters(), 0)
    write_native(tmp_path / "w.pdparams", spec, state, {})
    report = inspect_file(tmp_path / "w.pdparams")
    assert len(report["tensors"]) == len(state)
    assert (report["guess"]["origin"], report["guess"]["preset"]) == ("segparity", "espnet_tiny")
    assert main(["inspect", str(tmp_path / "w.pdparams")]) == 0
    text = capsys.readouterr().out
    assert report["sha256"] in text
    assert all(name in text for name in read(tmp_path / "w.pdparams"))
    assert "preset espnet_tiny, 6 classes" in text
    assert main(["inspect", str(tmp_path / "w.pdparams"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == report


def test_inspect_shows_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = build("espnet_tiny", 6)
    state = initial_state(spec.parameters(), 0)
    state["decoder.up2.weight"] = np.full((6, 6, 2, 2), np.nan, np.float32)
    write_native(tmp_path / "w.pth", spec, state, {})
    assert main(["inspect", str(tmp_path / "w.pth")]) == 0
    text = capsys.readouterr().out
    assert "144 not finite" in text
    assert "decoder.up2.weight (144 of 144)" in text
