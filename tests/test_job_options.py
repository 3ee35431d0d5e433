"""Numbers and paths of the command line, and where the looking jobs take configuration and normalisation from."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backends.jobs import benchmark, eval, predict
from backends.jobs.options import file_path
from backends.jobs.weights import load_for, resolve
from core.arch import Spec, build
from core.backend import Backend
from core.checkpoint import Checkpoint, save_checkpoint
from core.config import dump_config, load_config
from core.data.datasets.images import read_label
from core.data.normalization import NORMALIZATIONS, Normalize, disagreement, read_normalization, settle
from core.errors import ConfigError, WeightsError
from core.initialize import initial_state
from core.visualize import write_png
from tests.shared_paths import require_shared
from weights_convert import convert_file
from weights_convert.convert import write_native
from weights_convert.formats import read
from weights_convert.verify import relative


@pytest.mark.parametrize(
    ("parser", "arguments", "message"),
    [
        (eval.parser, ["--limit", "-1"], r"--limit: -1 is out of range: at least 1"),
        (eval.parser, ["--limit", "many"], r"--limit: 'many' is not a whole number"),
        (benchmark.parser, ["--iterations", "0"], r"--iterations: 0 is out of range"),
        (benchmark.parser, ["--batch", "0"], r"--batch: 0 is out of range"),
        (benchmark.parser, ["--size", "0x64"], r"--size: 0 is out of range"),
        (benchmark.parser, ["--size", "64"], r"--size: '64' is not HxW"),
        (predict.parser, ["x.png", "--out", "o", "--alpha", "1.5"], r"--alpha: 1\.5 is out of range: at least 0 and"),
        (predict.parser, ["x.png", "--out", "o", "--alpha", "nan"], r"--alpha: nan is out of range"),
    ],
)
def test_a_number_out_of_range_is_named(
    parser: Callable[[str], ArgumentParser], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        parser("torch").parse_args(arguments)
    assert error.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_tilde_in_an_option_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert eval.parser("torch").parse_args(["--run=~/runs/a"]).run == Path("/somewhere/runs/a")
    assert file_path("a~b") == Path("a~b")


def _arguments(weights: Path, *overrides: str, cfg: Path | None = None) -> Namespace:
    return Namespace(cfg=cfg, run=None, weights=weights, overrides=list(overrides))


def _write(path: Path, **metadata: str) -> Path:
    spec = build("espnet_tiny", 12)
    write_native(path, spec, initial_state(spec.parameters(), 0), metadata)
    return path


def test_a_converted_checkpoint_carries_its_configuration(tmp_path: Path) -> None:
    """Converted files have no optimizer and no iteration, but what a run wrote about itself."""
    config = load_config(text="seed: 7\nmodel: {preset: espnet_tiny}\ntransform: {normalize: bgr_mean, crop: [64, 64]}")
    spec = config.spec(11)
    checkpoint = Checkpoint(
        initial_state(spec.parameters(), 0),
        {},
        5,
        {
            "preset": "espnet_tiny",
            "num_classes": "11",
            "config": dump_config(config),
            "normalization": json.dumps("bgr_mean"),
        },
    )
    save_checkpoint(tmp_path / "last.safetensors", checkpoint)
    convert_file(tmp_path / "last.safetensors", tmp_path / "converted.safetensors")
    found, _ = resolve(_arguments(tmp_path / "converted.safetensors"))
    assert found == config
    found, _ = resolve(_arguments(tmp_path / "converted.safetensors", "transform.crop=[32, 32]"))
    assert (found.seed, found.transform.crop) == (7, (32, 32))
    assert read_normalization(read(tmp_path / "converted.safetensors").metadata["normalization"]) == "bgr_mean"


def test_metadata_or_settings_alone_are_enough(tmp_path: Path) -> None:
    plain = _write(tmp_path / "plain.pth")
    with pytest.raises(ConfigError, match=r"plain\.pth: carries no configuration; give --cfg FILE, or .*model\.preset"):
        resolve(_arguments(plain, "data.workers=1"))
    found, _ = resolve(_arguments(plain, "model.preset=espnet_tiny", "model.num_classes=12"))
    assert found.spec(11).num_classes == 12

    converted = tmp_path / "converted.safetensors"
    convert_file(plain, converted, preset="espnet_tiny", dataset="camvid", dataset_options={"void_class": True})
    found, _ = resolve(_arguments(converted, "data.root=/data"))
    assert (found.model.preset, found.model.num_classes, found.data.dataset) == ("espnet_tiny", 12, "camvid")
    assert json.loads(read(converted).metadata["classes"])[-1] == "Void"


def test_classes_of_a_converted_file_follow_the_options_of_the_data_set(tmp_path: Path) -> None:
    stated = _write(
        tmp_path / "stated.safetensors",
        preset="espnet_tiny",
        dataset="camvid",
        classes=json.dumps([str(i) for i in range(12)]),
    )
    convert_file(stated, tmp_path / "same.safetensors", dataset="camvid")
    assert len(json.loads(read(tmp_path / "same.safetensors").metadata["classes"])) == 12
    convert_file(stated, tmp_path / "other.safetensors", dataset="roadscape")
    assert len(json.loads(read(tmp_path / "other.safetensors").metadata["classes"])) == 11
    with pytest.raises(WeightsError, match="'roadscape' has no option 'void_class'"):
        convert_file(stated, tmp_path / "x.pth", dataset="roadscape", dataset_options={"void_class": True})
    with pytest.raises(WeightsError, match=r"--normalization imagnet: expected one of imagenet"):
        convert_file(stated, tmp_path / "x.pth", normalization="imagnet")


def test_published_weights_bring_their_normalisation(capsys: pytest.CaptureFixture[str]) -> None:
    """The authors' CamVid file scored 2 instead of 61 with a configuration that did not say how to normalise."""
    weights = require_shared("checkpoints/espnet/espnet_p_2_q_8_camvid.pth")
    text = "model: {preset: espnet_p2_q8, num_classes: 12}\n"
    config = load_config(text=text)
    settled, _ = load_for(config, config.spec(11), weights, None)
    assert settled.transform.normalize == "espnet_camvid"
    assert settled.eval_transform().normalize == NORMALIZATIONS["espnet_camvid"]
    said = capsys.readouterr().err
    assert "pictures are normalised as the weights say: espnet_camvid" in said
    assert "WARNING" not in said

    config = load_config(text=text + "transform: {normalize: imagenet}\n")
    settled, _ = load_for(config, config.spec(11), weights, None)
    assert settled.transform.normalize == "imagenet"
    said = capsys.readouterr().err
    assert said.count("WARNING") == 1
    assert re.search(r"WARNING: \S*camvid\.pth: trained on .*espnet_camvid.*transform\.normalize says imagenet", said)

    cityscapes = require_shared("checkpoints/espnet/espnet_p_2_q_8.pth")
    config = load_config(text="model: {preset: espnet_p2_q8_skip16, num_classes: 20}\n")
    assert load_for(config, config.spec(19), cityscapes, None)[0].transform.normalize == "espnet_cityscapes"


def test_weights_that_say_nothing_are_taken_at_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = _write(tmp_path / "plain.pth")
    config = load_config(text="model: {preset: espnet_tiny, num_classes: 12}\n")
    assert load_for(config, config.spec(11), weights, None)[0].transform.normalize == "imagenet"
    assert "normalis" not in capsys.readouterr().err


def test_normalisations_are_compared_by_what_they_do() -> None:
    on_255 = Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert disagreement("imagenet", on_255, "w.pth") is None
    assert disagreement("auto", "imagenet", "w.pth") is None
    assert disagreement("imagenet", None, "w.pth") is None
    swapped = Normalize(on_255.mean, on_255.std, "bgr")
    for other in (swapped, "bgr_mean", "half", "espnet_camvid"):
        assert "w.pth" in str(disagreement("imagenet", other, "w.pth"))
    assert settle("auto", on_255) == on_255
    assert settle("bgr_mean", on_255) == "bgr_mean"
    assert settle("auto", None) == "imagenet"
    assert read_normalization('{"mean": [1, 2, 3]}') == Normalize((1.0, 2.0, 3.0))
    assert read_normalization("bgr_mean") == read_normalization('"bgr_mean"') == "bgr_mean"
    assert [read_normalization(text) for text in (None, "", "as usual", "[1]", '{"mean": 5}')] == [None] * 5


def test_a_difference_that_is_not_a_number_is_no_agreement() -> None:
    good, bad = np.ones(3, np.float32), np.array([1, np.nan, 1], np.float32)
    assert relative(good, good) == 0
    assert relative(bad, good) == relative(good, bad) == relative(bad, bad) == float("inf")
    assert relative(np.full(3, np.inf, np.float32), np.full(3, np.inf, np.float32)) == float("inf")


def test_predict_builds_the_classes_that_the_options_of_the_data_set_give(tmp_path: Path) -> None:
    """CamVid with void_class trains twelve classes; the data set's files are not needed to know."""
    seen: list[int] = []

    class Last:
        """Predicts the last class everywhere."""

        def __init__(self, spec: Spec, state: object, device: str) -> None:
            seen.append(spec.num_classes)

        def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            return np.full((len(images), *size), seen[-1] - 1, np.uint8)

    cfg = tmp_path / "run.yaml"
    cfg.write_text("model: {preset: espnet_tiny}\ndata: {dataset: camvid, options: {void_class: true}}\n")
    write_png(tmp_path / "street.png", np.full((32, 48, 3), 90, np.uint8))
    weights, out = _write(tmp_path / "w.pth"), tmp_path / "out"
    given = ["--cfg", cfg, "--weights", weights, "--out", out, tmp_path / "street.png"]
    arguments = predict.parser("torch").parse_args([str(item) for item in given])
    predict.job(arguments, Backend("numpy", None, Last, None))  # type: ignore[arg-type]
    assert seen == [12]
    labels = [path for path in out.iterdir() if path.name.endswith("_label.png")]
    assert len(labels) == 1
    assert (read_label(labels[0]) == 11).all()
