"""The golden files' recipe and the comparison with them, without a framework."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.arch import build
from core.arch.golden import Output
from core.errors import SpecError, WeightsError
from parity_tests.golden import __main__ as command
from parity_tests.golden import network, run
from parity_tests.golden.files import Golden, make_input, make_parameter, make_parameters, read_golden
from parity_tests.golden.network import find_network
from parity_tests.golden.rounding import FLOAT64, measured, noted
from parity_tests.golden.run import Comparison, compare
from parity_tests.tolerances import FACTOR, Tolerance
from tests.golden_files import PRESET_OF, QUICK
from tests.shared_paths import require_shared
from weights_convert.matching import Fit, SeveralFit
from weights_convert.sources import RECORDED


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


def against(
    ours: np.ndarray | None, theirs: np.ndarray, shape: tuple[int, ...], stride: int, limit: float
) -> Comparison:
    return compare("eval/0", ours, theirs, shape, stride, lambda measure: Tolerance(limit, "of this test"))


def test_comparison_samples_rows_and_columns() -> None:
    ours = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)
    theirs = ours[..., ::3, ::3].copy()
    assert against(ours, theirs, ours.shape, 3, 1e-6).passed
    theirs[0, 0, 1, 1] += 2.1
    found = against(ours, theirs, ours.shape, 3, 0.1)
    assert found.largest == pytest.approx(2.1, rel=1e-6)
    assert found.relative == pytest.approx(2.1 / 23.1, rel=1e-6)
    assert found.passed
    assert not against(ours, theirs, ours.shape, 3, 0.05).passed


def test_nan_another_shape_and_a_missing_output_fail() -> None:
    theirs = np.ones((1, 1, 2, 2), np.float32)
    assert not against(np.full_like(theirs, math.nan), theirs, theirs.shape, 1, 1e9).passed
    assert not against(np.ones((1, 1, 3, 2), np.float32), theirs, theirs.shape, 1, 1e9).passed
    assert not against(None, theirs, theirs.shape, 1, 1e9).passed
    assert not against(theirs, theirs, (1, 1, 4, 4), 1, 1e9).passed


@pytest.mark.parametrize("found", [1.9, 2.1])
def test_what_is_known_suffices_only_with_a_factor_of_two_to_spare(found: float) -> None:
    theirs = np.ones((1, 1, 2, 2))
    asked: list[bool] = []

    def rounding(measure: bool) -> Tolerance:
        asked.append(measure)
        return Tolerance(4e-6, "known") if not measure else Tolerance(9e-6, "measured")

    ours = theirs * (1 + found * 1e-6)
    expected = "known" if found < 2 else "measured"
    assert compare("x", ours, theirs, theirs.shape, 1, rounding).tolerance.reason == expected
    assert asked == ([False] if found < 2 else [False, True])


@pytest.mark.parametrize("name", PRESET_OF)
def test_every_recorded_output_is_said_and_resized_only_where_the_original_resizes(name: str) -> None:
    golden = read_golden(require_shared(f"golden/{name}.safetensors"))
    found = find_network(golden)
    for mode in ("eval", "train"):
        plan = found.outputs(mode, len(golden.outputs[mode]))
        assert len(plan) == len(golden.outputs[mode])
        for output, shape in zip(plan, golden.shapes[mode]):
            size = output.size(*golden.inputs[mode][0][2:])
            assert size is None or size == shape[2:]
            if not found.recording.resizes and found.recording.eval is None and "@" not in str(found.file):
                assert size is None


def test_every_golden_file_of_a_registered_origin_is_declared_or_left_out() -> None:
    files = {
        f"{path.parent.name}/{path.stem}"
        for source in RECORDED
        for path in require_shared(f"golden/{source}").glob("*.safetensors")
    }
    left_out = {f"{name}/{model}" for name, source in RECORDED.items() for model in source.recording.left_out}
    assert left_out <= files
    unclaimed = sorted(files - set(PRESET_OF) - left_out)
    assert not unclaimed, "no preset declares " + ", ".join(unclaimed)
    assert files >= set(PRESET_OF), sorted(set(PRESET_OF) - files)


def test_a_file_is_declared_once_and_one_of_each_small_architecture_is_quick() -> None:
    declared = [(file.source, file.model) for preset in network.PRESETS.values() for file in preset.golden]
    assert len(declared) == len(set(declared))
    assert QUICK
    assert set(QUICK) <= set(PRESET_OF)


@pytest.mark.parametrize(
    ("text", "expected", "size"),
    [
        ("main", Output("main"), None),
        ("auxiliary.2@picture", Output("auxiliary.2", "", 1), (129, 64)),
        ("main@x4", Output("main", factor=4), (132, 68)),
        ("log_softmax(main)@1/8", Output("main", "log_softmax", 8), (17, 8)),
        ("context.refine.0:in", Output("context.refine.0:in"), None),
    ],
)
def test_outputs_are_said_in_words(text: str, expected: Output, size: tuple[int, int] | None) -> None:
    assert Output.read(text) == expected
    assert expected.size(129, 64, own=(33, 17)) == size
    assert expected.returned == expected.name.startswith(("main", "aux"))


@pytest.mark.parametrize("text", ["", "main@", "main@8", "main@1/0", "relu(main)", "softmax(main", "main@picture@1/8"])
def test_words_that_say_no_output_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match="golden output"):
        Output.read(text)


def _golden(notes: str, outputs: int = 2, **changes: object) -> Golden:
    values: dict[str, object] = {
        "path": Path("g.safetensors"),
        "source": "Fast_Seg",
        "model": "none",
        "call": "",
        "notes": notes,
        "parameters": [],
        "stats": {},
        "inputs": dict.fromkeys(("eval", "train"), ((1, 3, 64, 64), 1)),
        "stride": 1,
        "shapes": {mode: [(1, 19, 8, 8)] * outputs for mode in ("eval", "train")},
        "outputs": {mode: [np.zeros((1, 19, 8, 8), np.float32)] * outputs for mode in ("eval", "train")},
    }
    return Golden(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (
            "BN eps 1e-5.\nRounding of the original itself (max abs difference / max abs value, per output): float64 "
            "against these float32 values: eval [3e-06, 4e-07], train [1e-05, 4e-07]; another summation order (oneDNN "
            "off): eval [4e-06, 3e-07], train [1e-05, 7e-07].",
            {"eval": [4e-6, 4e-7], "train": [1e-5, 7e-7]},
        ),
        ("Float32 noise (…): eval 2.0e-03, train 1.2e-03. Input is", {"eval": [2e-3, 2e-3], "train": [1.2e-3, 1.2e-3]}),
        (
            "in float64: eval [0.0001, 4e-05], train [9.4e-05, 4.2e-05].",
            {"eval": [1e-4, 4e-5], "train": [9.4e-5, 4.2e-5]},
        ),
        ("conv-BN-ReLU, eps 1e-5. eval/0 = logits, train/0 = logits", {"eval": [None, None], "train": [None, None]}),
    ],
)
def test_the_originals_own_rounding_is_read_from_the_notes(notes: str, expected: dict[str, list[float | None]]) -> None:
    for mode, figures in expected.items():
        found = noted(_golden(notes), mode)
        assert [rounding and rounding.size for rounding in found] == figures


def test_rounding_is_measured_output_by_output() -> None:
    exact = np.array([[1.0, -4.0]])
    found = measured([exact + 2e-6, None], [exact, exact], "torch")
    assert [rounding.size for rounding in found] == [pytest.approx(2 * 5e-7), 0.0]
    assert found[0].tolerance.limit == pytest.approx(FACTOR * 2 * 5e-7)
    assert found[1].tolerance.limit == pytest.approx(FACTOR * 2.0**-23)  # nothing is known better than float32 itself
    assert "torch" in found[0].tolerance.reason
    assert FLOAT64.limit == 1e-5


AT_8, AT_32 = "pspnet_resnet50_mxnetseg", "pspnet_resnet101_mxnetseg"  # names, for the next test alone


def test_the_stride_in_the_notes_tells_networks_apart_that_names_and_shapes_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = read_golden(require_shared("golden/MXNetSeg/PSPNet_resnet50.safetensors"))
    at_8 = find_network(golden).fit
    dense, coarse = ({**at_8.overrides, "backbone": {"output_stride": stride}} for stride in (8, 32))
    fits = [
        dataclasses.replace(at_8, preset=preset, spec=build(at_8.preset, 19, overrides))
        for preset, overrides in ((AT_32, coarse), (AT_8, dense))
    ]

    def several(*args: object, **fields: object) -> None:
        raise SeveralFit("fits several", fits)

    monkeypatch.setattr(network, "identify", several)
    for model, notes, preset, rivals in [
        ("a", "Dilated, output stride 8: layer3", AT_8, ()),
        ("a", "No dilation: output stride 32. Then", AT_32, ()),
        ("PSPNet_os32", "As PSPNet, whose output stride 8 it has not", AT_32, ()),
        ("a", "nothing", AT_32, (AT_8,)),
    ]:
        found = find_network(_golden(notes, source="MXNetSeg", model=model))
        assert (found.fit.preset, tuple(fit.preset for fit in found.rivals)) == (preset, rivals)
        assert ("told from" in found.note) == (not rivals)


@pytest.mark.parametrize(("known", "chosen"), [((16, 32), AT_8), ((4, 8), AT_32), ((5, 5), None)])
def test_the_shapes_of_the_outputs_tell_networks_apart_where_the_notes_do_not(
    known: tuple[int, int], chosen: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = read_golden(require_shared("golden/MXNetSeg/PSPNet_resnet50.safetensors"))
    one = find_network(golden)
    fits = {preset: dataclasses.replace(one.fit, preset=preset) for preset in (AT_32, AT_8)}
    sizes = {AT_8: (16, 32), AT_32: (4, 8)}

    def gives(backend: object, job: run.Job, fit: Fit, mode: str, dtype: str) -> list[np.ndarray]:
        return [np.zeros((1, 19, *sizes[fit.preset]), np.float32)]

    monkeypatch.setattr(run, "compute", gives)
    monkeypatch.setattr(run.Job, "write_state", lambda self, fit: None)
    shapes = {mode: [(1, 19, *known)] for mode in ("eval", "train")}
    network_ = dataclasses.replace(one, fit=fits[AT_32], rivals=(fits[AT_8],))
    job = run.Job(dataclasses.replace(golden, shapes=shapes), network_, tmp_path / "s")
    result = run.Result(files=1)
    assert run.choose(job, None, "float32", result) == (chosen is not None)  # type: ignore[arg-type]
    if chosen:
        assert job.network.fit.preset == chosen
        assert AT_8 in job.network.note
        assert AT_32 in job.network.note
    else:
        assert result.files == 0
        assert all(word in result.without_preset[0] for word in (AT_8, AT_32, "--preset"))


@pytest.mark.parametrize(("meets", "chosen"), [({AT_32}, AT_32), ({AT_32, AT_8}, None), (set(), None)])
def test_the_recorded_values_tell_networks_apart_last(
    meets: set[str], chosen: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = read_golden(require_shared("golden/MXNetSeg/PSPNet_resnet50.safetensors"))
    one = find_network(golden)
    at_32, at_8 = (dataclasses.replace(one.fit, preset=preset) for preset in (AT_32, AT_8))
    monkeypatch.setattr(run, "_shapes", lambda backend, job, fit: list(golden.shapes.values()))
    monkeypatch.setattr(run, "_meets", lambda backend, job, fit, dtype: fit.preset in meets)
    monkeypatch.setattr(run.Job, "write_state", lambda self, fit: None)
    job = run.Job(golden, dataclasses.replace(one, fit=at_8, rivals=(at_32,)), tmp_path / "s")
    assert run.choose(job, _Nothing("torch"), "float32", run.Result(files=1)) == bool(chosen)  # type: ignore[arg-type]
    if chosen:
        assert job.network.fit.preset == chosen
        assert "recorded values" in job.network.note


def test_the_declaration_is_tried_first_and_a_file_of_another_name_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = read_golden(require_shared("golden/mmseg/setr_naive.safetensors"))
    assert find_network(golden).file is not None
    renamed = dataclasses.replace(golden, model="setr_naive_of_another_seed")
    assert find_network(renamed).fit.spec == find_network(golden).fit.spec
    with pytest.raises(WeightsError, match="pspnet_resnet50_mmseg"):
        find_network(golden, "pspnet_resnet50_mmseg")


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
    monkeypatch.setattr(run, "Backend", _Nothing)
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
