"""Predictions as benchmarks' servers take them: read back as those read them, with the same scores."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.jobs import eval as eval_job
from backends.jobs import predict as predict_job
from backends.jobs.cli import run
from core.backend import Backend
from core.checkpoint import Checkpoint, save_checkpoint
from core.config import dump_config, load_config
from core.data.datasets import DATASETS
from core.data.datasets.base import Dataset, Sample
from core.data.datasets.coco import COCOStuff
from core.data.datasets.images import read_label
from core.data.datasets.pascal_context import SPACES
from core.data.prepare.rle import decode_counts, encode_counts, fill_runs, runs_of
from core.errors import ConfigError, DataError
from core.evaluation.submission import SERVERS, submission
from core.initialize import initial_state
from core.metrics import ConfusionMatrix
from tests.shared_paths import SHARED
from tests.test_training import Constant, HostOnly

CITYSCAPES = SHARED / "data" / "cityscapes"


def stand_in(name: str, split: str = "val", space=None) -> Dataset:
    """The data set `name` without its files."""

    class StandIn(Dataset):
        splits = ("val", "test")

        def __len__(self) -> int:
            return 0

        def __getitem__(self, index: int) -> Sample:
            raise IndexError

        def name_of(self, index: int) -> str:
            raise IndexError

    StandIn.name, StandIn.space = name, space or DATASETS[name].space
    return StandIn(split)


def predictions(classes: int, height: int = 13, width: int = 17) -> np.ndarray:
    return (np.arange(height * width) % classes).astype(np.uint8).reshape(height, width)


def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def decoded(data: bytes) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(data)
        file.flush()
        return read_label(file.name)


@pytest.mark.parametrize(
    ("server", "name", "space", "numbering", "place"),
    [
        ("ade20k", "ade20k", None, "SceneParsing150", "{}.png"),
        ("voc", "voc", None, "voc", "results/VOC2012/Segmentation/comp6_test_cls/{}.png"),
        ("context", "pascal_context", SPACES[59], "59", "{}.png"),
        ("context", "pascal_context", SPACES[60], "59", "{}.png"),
        ("bdd100k", "bdd100k", None, "trainIds", "{}.png"),
        ("cityscapes", "cityscapes", None, "labelIds", "{}_leftImg8bit.png"),
    ],
)
def test_label_maps_read_back_as_the_classes(tmp_path, server, name, space, numbering, place) -> None:
    dataset = stand_in(name, "test", space)
    first, second = predictions(dataset.num_classes, 20, 30), predictions(dataset.num_classes)[::-1].copy()
    with submission(tmp_path / "s.zip", server, dataset) as zipped:
        zipped.add("one", first)
        zipped.add("two", second)
    found = files(tmp_path / "s.zip")
    assert set(found) == {place.format("one"), place.format("two")}
    table = dataset.space.numbering(numbering).table
    for key, wanted in (("one", first), ("two", second)):
        np.testing.assert_array_equal(table[decoded(found[place.format(key)])], wanted)


def test_voc_and_context_have_vocs_colours(tmp_path) -> None:
    with submission(tmp_path / "s.zip", "voc", stand_in("voc")) as zipped:
        zipped.add("2007_000033", predictions(21))
    (name, data), *_ = files(tmp_path / "s.zip").items()
    assert name == "results/VOC2012/Segmentation/comp6_val_cls/2007_000033.png"
    colors = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(colors, DATASETS["voc"].space.palette[predictions(21)])


@pytest.mark.parametrize(("server", "name", "nothing"), [("ade20k", "ade20k", 0), ("bdd100k", "bdd100k", 255)])
def test_outputs_beyond_the_classes_stand_for_nothing(tmp_path, server, name, nothing) -> None:
    dataset = stand_in(name)
    with submission(tmp_path / "s.zip", server, dataset) as zipped:
        zipped.add("a", np.full((2, 2), dataset.num_classes, np.uint8))
    assert (decoded(files(tmp_path / "s.zip")["a.png"]) == nothing).all()


@pytest.mark.parametrize("name", ["cocostuff164k", "cocostuff10k"])
def test_coco_s_results_are_masks_of_the_stuff_categories(tmp_path, name) -> None:
    dataset = stand_in(name)
    prediction = np.repeat(predictions(171, 19, 9), 3, axis=1)
    with submission(tmp_path / "s.zip", "coco_stuff", dataset) as zipped:
        zipped.add("COCO_train2014_000000000934", prediction)
        zipped.add("000000000007", np.full((4, 5), dataset.classes.index("grass"), np.uint8))
    (found,) = files(tmp_path / "s.zip").values()
    results = json.loads(found)
    painted = np.zeros(prediction.shape, int)
    for result in results[:-1]:
        mask = fill_runs(decode_counts(result["segmentation"]["counts"]), *result["segmentation"]["size"])
        assert (painted[mask] == 0).all()
        painted[mask] = result["category_id"]
    ids = COCOStuff.space.numbering("164k").published.astype(int) + 1
    wanted = ids[prediction]
    np.testing.assert_array_equal(painted, np.where(wanted < 92, 183, wanted))
    assert [result["image_id"] for result in results] == [934] * (len(results) - 1) + [7]
    grass = int(ids[dataset.classes.index("grass")])
    assert results[-1]["category_id"] == grass
    assert results[-1]["segmentation"] == {"size": [4, 5], "counts": encode_counts([0, 20])}


def test_run_lengths_there_and_back() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 5), (300, 200)):
        for share in (0.0, 0.01, 0.5, 1.0):
            mask = rng.random(shape) < share
            runs = runs_of(mask)
            assert decode_counts(encode_counts(runs)) == runs
            np.testing.assert_array_equal(fill_runs(runs, *shape), mask)


def test_the_same_predictions_make_the_same_file(tmp_path) -> None:
    for name in ("a.zip", "b.zip"):
        with submission(tmp_path / name, "ade20k", stand_in("ade20k")) as zipped:
            zipped.add("x", predictions(150))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_fails_leaves_no_file(tmp_path) -> None:
    with (
        pytest.raises(DataError, match="garden: no number"),
        submission(tmp_path / "s.zip", "coco_stuff", stand_in("cocostuff164k")) as zipped,
    ):
        zipped.add("garden", predictions(171))
    with (
        pytest.raises(ConfigError, match=r"--server voc: takes predictions of voc, but data\.dataset is 'ade20k'"),
        submission(tmp_path / "s.zip", "voc", stand_in("ade20k")),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


# The jobs


class Stripes(Constant):
    """Predicts classes in stripes."""

    def labels(self, images, size):
        return np.broadcast_to(np.arange(size[1]) // 40 % 19, (len(images), *size)).astype(np.uint8)


def job(module, tmp_path: Path, root: Path, *arguments: object, dataset: str = "cityscapes") -> int:
    settings = ["model.preset=fast_scnn_tiny", f"data.dataset={dataset}", f"data.root={root}"]
    if module is eval_job:
        settings.append("data.options.labelled_only=true")
    config = load_config(None, settings)
    state = initial_state(config.spec(19).for_inference().parameters(), 0)
    metadata = {"config": dump_config(config), "preset": "fast_scnn_tiny"}
    save_checkpoint(tmp_path / "w.safetensors", Checkpoint(state, {}, 0, metadata))
    options = module.parser("numpy").parse_args(["--weights", str(tmp_path / "w.safetensors"), *map(str, arguments)])
    backend = Backend("numpy", None, lambda spec, state, device: Stripes(), HostOnly())  # type: ignore[arg-type]
    return run(lambda: module.job(options, backend))


@pytest.mark.skipif(not CITYSCAPES.is_dir(), reason="no Cityscapes frames in shared/data")
def test_cityscapesscripts_scores_the_file_as_we_do(tmp_path, capsys) -> None:
    scripts = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    out, scores = tmp_path / "s.zip", tmp_path / "scores.json"
    assert job(eval_job, tmp_path, CITYSCAPES, "--server", "cityscapes", "--out", out, "--json", scores) == 0
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "results")
    ours = json.loads(scores.read_text())["metrics"]
    truths = sorted(map(str, (CITYSCAPES / "gtFine" / "val").glob("*/*_gtFine_labelIds.png")))
    scripts.args.predictionPath, scripts.args.predictionWalk = str(tmp_path / "results"), None
    scripts.args.quiet, scripts.args.JSONOutput, scripts.args.evalInstLevelScore = True, False, False
    theirs = scripts.evaluateImgLists([scripts.getPrediction(scripts.args, t) for t in truths], truths, scripts.args)
    for name, value in theirs["classScores"].items():
        if name in ours["iou"] and not np.isnan(value):
            assert value == pytest.approx(ours["iou"][name], abs=1e-12), name
    assert theirs["averageScoreClasses"] == pytest.approx(ours["mean_iou"], abs=1e-12)
    capsys.readouterr()


@pytest.mark.skipif(not CITYSCAPES.is_dir(), reason="no Cityscapes frames in shared/data")
def test_a_split_is_predicted_without_labels(tmp_path, capsys) -> None:
    out = tmp_path / "s.zip"
    assert job(predict_job, tmp_path, CITYSCAPES, "--server", "cityscapes", "--out", out, "--split", "val") == 0
    assert "4 pictures of cityscapes/val" in capsys.readouterr().out
    found = files(out)
    assert len(found) == 4
    confusion = ConfusionMatrix(19)
    ids = DATASETS["cityscapes"].space.numbering("labelIds").table
    for name, data in found.items():
        assert name.endswith("_leftImg8bit.png")
        seen = ids[decoded(data)].astype(np.uint8)
        assert seen.shape == (1024, 2048)
        confusion.update(Stripes().labels(np.zeros((1, 3, 1, 1)), (1024, 2048))[0], seen)
    assert np.trace(confusion.matrix) == 4 * 1024 * 2048


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--server", "cityscapes", "--out", "folder"), "--out FILE.zip"),
        (("--server", "voc", "--out", "s.zip"), "takes predictions of voc"),
        (("--server", "cityscapes", "--out", "s.zip", "a.png"), "takes no INPUT"),
        (("--out", "s.zip", "a.png"), "made for a server alone"),
        (("--out", "folder"), "give pictures, folders or videos"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    assert job(predict_job, tmp_path, tmp_path, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "s.zip").exists()


def test_every_server_names_data_sets_that_there_are() -> None:
    assert {name for server in SERVERS.values() for name in server.datasets} <= set(DATASETS)
