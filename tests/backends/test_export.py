"""`export`: every target of the backend, run in its runtime; ONNX for every family; the ONNX Runtime backend."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from backends.jobs import export
from backends.jobs.door import load_backend
from core.arch import PRESETS, build
from core.backend import Graphs
from core.config import Config, ModelConfig
from core.data.normalization import NORMALIZATIONS, Normalize
from core.errors import ConfigError
from core.export import Comparison, ExportForm, compare
from tests.backends.test_folding import trained_state

Module = Callable[[str], ModuleType]
TINY = sorted(name for name in PRESETS if name.endswith("_tiny"))
COVERING = ["ccnet_tiny", "fast_scnn_tiny"]  # attention; adaptive pooling
PIXELS = Normalize((120.0, 110.0, 100.0), (60.0, 58.0, 55.0), channel_order="bgr")


def target_of(backend: str) -> str:
    return {"torch": "onnx", "paddle": "paddle-inference", "mxnet": "mxnet-symbol"}[backend]


def exported(name: str, backend: str, target: str, form: ExportForm, folder: Path) -> dict[str, Comparison]:
    """The network with weights from a fixed seed, saved, loaded in its runtime and compared."""
    if target == "onnx":
        pytest.importorskip("onnxruntime", reason='onnx is not installed: pip install -e ".[onnx]"')
    spec = build(name).for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    source = export._Source(Config(model=ModelConfig(preset=name)), spec, state, None)
    graphs: Graphs = importlib.import_module(f"backends.{backend}.graphs")
    path = folder / f"network{export.ENDINGS.get(target, '')}"
    graphs.save(target, spec, state, form, path)
    reference = load_backend(backend).predictor(spec, state, "cpu")
    return export.check(graphs.load(target, path), reference, form, source, PIXELS)


@pytest.mark.parametrize("name", COVERING)
def test_exported_networks_answer_as_the_backends(name: str, backend: str, tmp_path: Path) -> None:
    size = build(name).size_at_least(64, 96)
    found = exported(name, backend, target_of(backend), ExportForm(size), tmp_path)
    assert len(found) == 2
    assert all(result.passes for result in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_every_family_is_exported(name: str, backend: str, tmp_path: Path) -> None:
    size = build(name).size_at_least(64, 96)
    found = exported(name, backend, target_of(backend), ExportForm(size), tmp_path)
    assert all(result.passes for result in found.values()), found


def test_any_size_pictures_in_classes_out(backend: str, tmp_path: Path) -> None:
    """Two sizes; uint8 in, normalised inside with reversed channels, classes out."""
    form = ExportForm(None, PIXELS, argmax=True, metadata={"preset": "fast_scnn_tiny"})
    found = exported("fast_scnn_tiny", backend, target_of(backend), form, tmp_path)
    assert len(found) == 4
    assert all(result.passes and result.error is None for result in found.values()), found
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(b"fast_scnn_tiny" in content for content in files)


def test_beyond_tolerance_is_told() -> None:
    reference = np.random.default_rng(0).standard_normal((1, 5, 8, 8)).astype(np.float32)
    assert compare(reference, reference).passes
    assert not compare(reference, reference + 0.1).passes
    assert not compare(reference, np.full_like(reference, np.nan)).passes
    assert not compare(reference, np.roll(reference, 1, axis=1).argmax(axis=1)).passes
    assert compare(reference, reference.argmax(axis=1).astype(np.uint8)).passes


def test_another_backends_target_is_one_sentence(backend: str) -> None:
    other = {"torch": "mxnet-symbol", "paddle": "onnx", "mxnet": "paddle-inference"}[backend]
    with pytest.raises(ConfigError, match=rf"--to {other}: backends\.{backend} writes"):
        export._graphs(backend, other)
    with pytest.raises(ConfigError, match="trtexec"):
        export._graphs(backend, "tensorrt")


def test_the_job_writes_a_file_that_says_what_it_is(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if backend != "torch":
        pytest.skip("the job is the same for all; the files differ, see above")
    onnx = pytest.importorskip("onnx", reason='onnx is not installed: pip install -e ".[onnx]"')
    out = tmp_path / "network.onnx"
    arguments = ["--preset", "fast_scnn_tiny", "--to", "onnx", "--size", "64x96", "--out", str(out)]
    assert importlib.import_module("backends.torch.export").main(arguments) == 0
    assert "argmax agreement 100" in capsys.readouterr().out
    said = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert json.loads(said["classes"])
    assert json.loads(said["normalization"])["std"]
    assert {"palette", "protocol", "checksum", "config"} <= said.keys()
    # The deployed file, scored by the evaluator of all.
    scores = [tmp_path / "file.json", tmp_path / "network.json"]
    data = ["--set", "data.options={size: [64, 96], val: 2}", "--set", "model.preset=fast_scnn_tiny"]
    from backends.onnxruntime.eval import main

    assert main(["--weights", str(out), "--json", str(scores[0]), *data]) == 0
    miou = json.loads(scores[0].read_text())["metrics"]
    assert miou
    assert main(["--weights", str(tmp_path / "absent.onnx")]) == 2
    assert importlib.import_module("backends.torch.eval").main(["--weights", str(out), *data]) == 2
    assert "backends.onnxruntime.eval" in capsys.readouterr().err


def test_onnx_runtime_is_a_backend(backend: str) -> None:
    if backend != "torch":
        pytest.skip("its networks are PyTorch's")
    pytest.importorskip("onnxruntime", reason='onnx is not installed: pip install -e ".[onnx]"')
    spec = build("pspnet_tiny").for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    runtime, torch = (load_backend(name) for name in ("onnxruntime", "torch"))
    for size in (spec.size_at_least(64, 96), spec.size_at_least(97, 65)):
        x = NORMALIZATIONS["imagenet"](np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8))[None]
        ours, theirs = (b.predictor(spec, state, "cpu") for b in (runtime, torch))
        expected = theirs.logits(x, size)
        assert np.abs(ours.logits(x, size) - expected).max() < 1e-4 * np.abs(expected).max()
        assert (ours.labels(x, size) == theirs.labels(x, size)).mean() > 0.999
    with pytest.raises(ConfigError, match="only runs networks"):
        runtime.learner(spec, Config(), "cpu")


def test_one_set_of_weights_by_several_protocols(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from weights_convert.convert import write_native

    spec = build("fast_scnn_tiny", 11).for_inference()
    state = {key: value.astype(np.float32) for key, value in trained_state(spec).items()}
    write_native(tmp_path / "w.safetensors", spec, state, {})
    names = ["configured", "fast_seg", "dabnet-coco"]
    arguments = [part for name in names for part in ("--protocol", name)]
    settings = ["--set", "model.preset=fast_scnn_tiny", "--set", "data.options={size: [64, 96], val: 2}"]
    main = importlib.import_module(f"backends.{backend}.eval").main
    command = ["--weights", str(tmp_path / "w.safetensors"), "--json", str(tmp_path / "s.json"), *settings]
    assert main([*command, *arguments]) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "s.json").read_text())
    assert list(report) == names
    assert all(name in said for name in names)
    assert report["dabnet-coco"]["protocol"]["protocol"]["resize"] == [640, 640]
    assert report["fast_seg"]["protocol"]["protocol"]["align_corners"]
    assert all(scores["pictures"] == 2 for scores in report.values())
    assert main([*command, "--protocol", "nobodys"]) == 2


def int8(tmp_path: Path, *arguments: str, preset: str = "fast_scnn_tiny") -> int:
    out = ["--preset", preset, "--out", str(tmp_path / "int8.onnx")]
    data = ["--set", "data.options={size: [64, 96], train: 6, val: 2}"]
    return int(importlib.import_module("backends.torch.export").main([*out, *arguments, *data]))


@pytest.mark.parametrize("form", [["--size", "64x96"], ["--size", "dynamic", "--argmax"]], ids=["fixed", "dynamic"])
def test_int8_is_calibrated_scored_and_runs(
    form: list[str], backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if backend != "torch":
        pytest.skip("PyTorch's exporter alone writes ONNX")
    onnx = pytest.importorskip("onnx", reason='onnx is not installed: pip install -e ".[onnx]"')
    assert int8(tmp_path, "--to", "onnx", "--int8", "--calibrate", "3", *form) == 0
    cost = re.search(
        r"roadscape/val, 2 pictures: mIoU ([\d.]+) in float32, ([\d.]+) in int8 \(([+-][\d.]+)\); "
        r"the same class at ([\d.]+) %",
        capsys.readouterr().out,
    )
    assert cost is not None
    before, after, difference, same = map(float, cost.groups())
    assert difference == pytest.approx(after - before, abs=0.011)
    assert same > 50  # random weights: close logits; scrambled ones would agree at 1 of 19 pixels
    model = onnx.load(str(tmp_path / "int8.onnx"))
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["quantization"] == "int8, calibrated with 3 pictures of roadscape/train"
    assert said["checksum"]
    weights = {one.name: one for one in model.graph.initializer if len(one.dims) == 4}
    bits = [one.data_type for one in weights.values()]
    assert bits.count(onnx.TensorProto.INT8) == len(bits) - 1  # all but the classifier's
    from backends.onnxruntime.eval import main

    scored = ["--weights", str(tmp_path / "int8.onnx"), "--json", str(tmp_path / "a.json")]
    options = ["--set", "data.options={size: [64, 96], val: 2}", "--set", "model.preset=fast_scnn_tiny"]
    assert main([*scored, *options]) == 0
    found = 100 * json.loads((tmp_path / "a.json").read_text())["metrics"]["mean_iou"]
    assert found == pytest.approx(after, abs=0.0051)  # the same file on the same pictures, printed with two digits


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "torchscript", "--int8"], "give --to onnx"),
        (["--to", "onnx", "--calibrate", "4"], "--calibrate goes with --int8"),
        (["--to", "onnx", "--split", "val"], "--split goes with --int8"),
        (["--to", "onnx", "--int8", "--size", "64x96", "--set", "data.train=absent"], "data.train"),
    ],
)
def test_int8_that_cannot_be_is_one_sentence(
    arguments: list[str], told: str, backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if backend != "torch":
        pytest.skip("PyTorch's exporter alone writes ONNX")
    pytest.importorskip("onnx", reason='onnx is not installed: pip install -e ".[onnx]"')
    assert int8(tmp_path, *arguments) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "int8.onnx").exists()
