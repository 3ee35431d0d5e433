"""What wrappers put before the names of a network's tensors; and files of networks that nobody here knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from core.tensors import Tensors
from weights_convert import import_weights, load_weights
from weights_convert.__main__ import main
from weights_convert.convert import checksum
from weights_convert.formats import read, write
from weights_convert.inspection import inspect_file
from weights_convert.native_names import native_name
from weights_convert.prefixes import without_wrappers

SPEC = build("espnet_tiny", 6)
STATE = initial_state(SPEC.parameters(), 0)
W = np.ones((2, 2), np.float32)


def inserted(name: str, module: str, depth: int) -> str:
    parts = name.split(".")
    return ".".join([*parts[:depth], module, *parts[depth:]])


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        (lambda name: f"module.{name}", "'module.'"),
        (lambda name: f"_orig_mod.{name}", "_orig_mod"),
        (lambda name: f"module._orig_mod.module.{name}", "_orig_mod"),
        (lambda name: inserted(name, "_orig_mod", 1), "_orig_mod"),
        (lambda name: f"_fsdp_wrapped_module.{inserted(name, '_fsdp_wrapped_module', 1)}", "_fsdp_wrapped_module"),
        (lambda name: f"model.{name}", "'model.'"),
        (lambda name: f"net._orig_mod.{name}", "'net.'"),
        (lambda name: f"model.module.{name}", "'model.'"),
    ],
)
def test_wrapped_names_are_read_and_it_is_said(tmp_path: Path, rename, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "w.safetensors"
    write(path, {rename(name): array for name, array in STATE.items()})
    imported = import_weights(path)
    assert checksum(imported.state) == checksum(STATE)
    assert any(said in note for note in imported.notes)
    loaded = load_weights(path, SPEC)
    assert checksum(loaded.state) == checksum(STATE)
    assert any(said in note for note in loaded.notes)
    report = inspect_file(path)
    assert report["guess"]["preset"] == "espnet_tiny"
    assert any(said in note for note in report["notes"])


def test_what_a_training_module_holds_besides_is_left_out_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path, {f"model.{name}": array for name, array in STATE.items()} | {"criterion.weight": W})
    imported = import_weights(path)
    assert checksum(imported.state) == checksum(STATE)
    assert any("criterion.weight" in note for note in imported.notes)


def test_two_networks_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path, {f"{of}.{name}": array for name, array in STATE.items() for of in ("model", "student")})
    with pytest.raises(WeightsError, match=r"several networks that fit, under model\. and student\."):
        import_weights(path)


def test_the_nearest_reading_is_explained(tmp_path: Path) -> None:
    """A wrapped network that lacks a tensor is compared under its own names."""
    lacking = dict(STATE)
    missing = list(STATE)[3]
    del lacking[missing]
    write(tmp_path / "w.safetensors", {f"model.{name}": array for name, array in lacking.items()})
    with pytest.raises(WeightsError, match=f"(?s)1 missing:.*{missing}"):
        import_weights(tmp_path / "w.safetensors")


def test_counters_of_averaged_models_are_left_out() -> None:
    tensors = without_wrappers(Tensors({"n_averaged": np.array(3), "module.a": W, "module.b": W}))
    assert list(tensors) == ["a", "b"]
    assert any("n_averaged" in note for note in tensors.notes)


def test_names_that_meet_without_their_wrapper_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"two tensors 'a\.w'"):
        without_wrappers(Tensors({"a._orig_mod.w": W, "a.w": W}))


UNKNOWN = {
    "stem.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "stem.bn.num_batches_tracked": np.array(7),
    "head.fc.weight": np.arange(6, dtype=np.float64).reshape(2, 3),
}


@pytest.mark.parametrize("first", ["pth", "pdparams", "params", "safetensors"])
@pytest.mark.parametrize("second", ["pth", "pdparams", "params", "safetensors"])
def test_an_unknown_network_comes_out_as_it_is(
    tmp_path: Path, first: str, second: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / f"a.{first}", tmp_path / f"b.{second}"
    tensors = {f"module.{name}": array for name, array in UNKNOWN.items()}
    if first == "params":
        tensors = {name: array.reshape(array.shape or (1,)) for name, array in tensors.items()}
    write(source, tensors)
    assert main([str(source), str(target)]) == 2
    assert "SRC DST --as-is" in capsys.readouterr().err
    assert not target.exists()
    assert main([str(source), str(target), "--as-is"]) == 0
    said = capsys.readouterr().out
    result = read(target)
    assert list(result) == list(tensors) or second == "safetensors"
    assert set(result) == set(tensors)
    for name, array in tensors.items():
        reshaped = second == "params" and not array.ndim
        assert reshaped == ("no scalars" in said and not array.ndim)
        assert result[name].shape == ((1,) if reshaped else array.shape)
        assert (result[name].dtype, result[name].tobytes()) == (array.dtype, array.tobytes())


def test_as_is_takes_nothing_that_asks_for_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.pth", UNKNOWN)
    arguments = [str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), "--as-is", "--from", "mmseg", "--verify"]
    assert main(arguments) == 2
    assert "takes no --from, --verify" in capsys.readouterr().err


def test_inspect_shows_a_network_that_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.pdparams", UNKNOWN)
    assert main(["inspect", str(tmp_path / "a.pdparams")]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in UNKNOWN)
    assert "--as-is" in said


def test_a_leading_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.pth", UNKNOWN)
    assert main(["~/a.pth", "~/b.pdparams", "--as-is"]) == 0
    assert main(["inspect", "~/b.pdparams"]) == 0
    assert set(read(tmp_path / "b.pdparams")) == set(UNKNOWN)


def test_a_home_that_does_not_exist_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "~nobody-of-this-name/a.pth"]) == 2
    assert "no such home directory" in capsys.readouterr().err


def exported(first: int = 0) -> dict[str, np.ndarray]:
    """The state under the flat names of Gluon's export(): a kind and a running number for each layer."""
    numbers: dict[str, int] = {}
    stems: dict[str, str] = {}
    named = {}
    for parameter in SPEC.parameters():
        layer, _, leaf = native_name(parameter, "mxnet").name.rpartition(".")
        if layer not in stems:
            kind = {"gamma": "batchnorm", "alpha": "prelu"}.get(leaf, "conv")
            numbers[kind] = numbers.get(kind, first - 1) + 1
            stems[layer] = f"{kind}{numbers[kind]}"
        role = "aux" if leaf.startswith("running") else "arg"
        named[f"{role}:{stems[layer]}_{leaf}"] = STATE[parameter.name]
    return named


@pytest.mark.parametrize("first", [0, 17])
def test_names_of_gluon_export_are_read_by_their_numbers(tmp_path: Path, first: int) -> None:
    write(tmp_path / "w-0000.params", dict(reversed(exported(first).items())))
    imported = import_weights(tmp_path / "w-0000.params", preset="espnet_tiny")
    assert checksum(imported.state) == checksum(STATE)
    assert imported.spec.num_classes == 6
    assert "export()" in imported.fit.label


def test_flat_names_of_another_network_are_refused(tmp_path: Path) -> None:
    names, arrays = list(exported()), list(exported().values())
    other = [name.replace("batchnorm3_", "layernorm3_") for name in names]
    scoped = [name.replace(":", ":fcn0_") for name in names]
    for wrong in (other, scoped, names[:-1]):
        write(tmp_path / "w.params", dict(zip(wrong, arrays)))
        with pytest.raises(WeightsError):
            import_weights(tmp_path / "w.params", preset="espnet_tiny")
