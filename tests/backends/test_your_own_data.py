"""A stranger's pictures: described, looked at, trained on and predicted, by the commands of docs/your_own_data.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from core.data.browse import main as browse
from core.data.datasets.images import read_label
from core.data.describe import main as describe
from core.data.doctor.__main__ import main as doctor
from tests.test_doctor import Garden, with_palette


def test_twelve_jpegs_and_palette_pngs(
    backend: str, module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From twelve files of each to predicted label maps, without a line of Python."""
    if backend != "torch":
        pytest.skip("the same commands; `make test-slow` runs them in every backend")
    _a_stranger(backend, module, tmp_path, monkeypatch)


@pytest.mark.slow
def test_twelve_jpegs_and_palette_pngs_in_every_backend(
    backend: str, module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a_stranger(backend, module, tmp_path, monkeypatch)


def _a_stranger(
    backend: str, module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = Garden(tmp_path)
    for folder in ("My photos", "My masks"):
        (tmp_path / "holiday" / folder).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(garden.images, garden.labels)):
        cv2.imwrite(str(tmp_path / "holiday" / "My photos" / f"IMG {number}.JPG"), image[..., ::-1])
        (tmp_path / "holiday" / "My masks" / f"IMG {number}.png").write_bytes(with_palette(label))
    monkeypatch.chdir(tmp_path)
    assert describe(["holiday", "--preset", "fast_scnn_tiny"]) == 0
    assert doctor(["--cfg", "holiday.yaml"]) == 0
    assert browse(["--cfg", "holiday.yaml"]) == 0
    assert (tmp_path / "report" / "doctor.html").is_file()
    assert (tmp_path / "report" / "browse.png").is_file()
    settings = ["--set", "train.iterations=2", "--set", "train.eval_interval=0", "--device", "cpu"]
    assert module("train").main(["--cfg", "holiday.yaml", *settings]) == 0
    run = f"runs/holiday-{backend}"
    assert module("eval").main(["--run", run, "--device", "cpu"]) == 0
    assert module("predict").main(["--run", run, "holiday/My photos", "--out", "seen", "--device", "cpu"]) == 0
    labels = read_label(tmp_path / "seen" / "IMG 3_label.png")
    assert labels.shape == garden.labels[3].shape
    assert np.isin(labels, (0, 1, 2)).all()
