"""Pictures that cannot be read in the middle of a run: left out on request, and counted. Full shared memory is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.config import load_config
from core.data.pipeline import TrainingSamples
from core.data.skipping import Skipped
from core.errors import DataError
from tests.test_doctor import Garden


def broken_garden(root: Path) -> Path:
    garden = Garden(root)
    garden.part(list(range(8)), list(range(8, 12)))
    garden.files["images/p03.png"] = b"no picture"
    garden.labels[6][3, 3] = 99
    garden.config["train"] = {"batch_size": 4, "iterations": 4, "log_interval": 2, "sample_predictions": 0}
    return garden.plant()


def test_unreadable_pictures_are_left_out_on_request(
    backend: str, module: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = str(broken_garden(tmp_path))
    train = module("train").main
    run = tmp_path / "run"
    assert train(["--cfg", cfg, "--run", str(run), "--device", "cpu"]) == 2
    assert "p03.png" in capsys.readouterr().err
    skip = ["--set", "data.unreadable=skip", "--set", "data.workers=2"]
    assert train(["--cfg", cfg, "--run", str(run), "--device", "cpu", *skip]) == 0
    said = capsys.readouterr().err
    assert "2 training pictures cannot be read and are left out" in said
    listed = Skipped(run / "skipped.txt").all()
    assert {Path(location).name for location in listed} == {"p03.png", "p06.png"}
    assert "label values out of range: 99" in listed[str(tmp_path / "images" / "p06.png")]


def test_what_stands_for_a_skipped_picture_depends_on_nothing_else(
    backend: str, module: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    config = load_config(broken_garden(tmp_path), ["data.unreadable=skip"])
    dataset = config.open_dataset("train")

    def samples(skipped: Skipped | None, start: int = 0) -> TrainingSamples:
        return TrainingSamples(dataset, config.train_transform(), 0, 4, 4, start, skipped=skipped)

    batches = [
        list(module("data").load_batches(samples(Skipped(tmp_path / "s.txt")), 4, workers)) for workers in (0, 2)
    ]
    later = list(module("data").load_batches(samples(Skipped(), 2), 4, 0))
    for one, two in zip(batches[0] + batches[0][2:], batches[1] + later, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    with pytest.raises(DataError, match=r"p0[36]\.png"):
        list(module("data").load_batches(samples(None), 4, 0))


def test_with_shared_memory_full_batches_go_through_a_pipe(
    backend: str,
    module: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Said once by each worker. What PyTorch's own loader says there is a traceback, and then it waits for ever."""
    config = load_config(Garden(tmp_path).plant())
    samples = TrainingSamples(config.open_dataset("train"), config.train_transform(), 0, 4, 3)
    expected = list(module("data").load_batches(samples, 4, 0))
    reason = "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"

    def full(*arguments: object) -> None:
        raise RuntimeError(reason) if backend == "torch" else OSError(28, "No space left on device")

    if backend == "torch":
        import torch

        monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    else:
        monkeypatch.setattr("core.data.handover._room", full)
    found = list(module("data").load_batches(samples, 4, 2))
    for one, two in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    said = capfd.readouterr().err
    assert 1 <= said.count("No space left on device") <= 2
    assert "batches go through a pipe, which is slower" in said
