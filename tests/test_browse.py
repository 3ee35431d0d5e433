"""The contact sheet shows what training takes."""

import cv2
import numpy as np

from core.config import load_config
from core.data.browse import contact_sheet, main
from core.data.pipeline import TrainingSamples
from tests.test_doctor import Garden


def test_the_sheet_shows_the_first_samples_of_the_training(tmp_path):
    garden = Garden(tmp_path)
    garden.config["transform"].update(scale=[1.0, 1.0], normalize="half")
    garden.labels[0][:20] = 255
    config = load_config(garden.plant())
    sheet = contact_sheet(config, count=5, columns=2, width=64)
    dataset = config.open_dataset("train")
    samples = TrainingSamples(dataset, config.train_transform(), config.seed, 4, 2)
    expected = np.rint(samples[0][0].transpose(1, 2, 0) * 127.5 + 127.5)
    top = next(row for row in range(120) if np.array_equal(sheet[row : row + 64, 6:70], expected))
    under = sheet[top + 64 : top + 128, 6:70]
    grass = samples[0][1] == 0
    blended = np.rint(expected * 0.4 + dataset.palette[0] * 0.6)
    assert np.abs(under[grass] - blended[grass]).max() <= 1
    assert sheet.shape[1] == 2 * 70 + 6
    whole = contact_sheet(config, "val", 3, 3, 64)
    assert whole.shape[1] == 2 * 70 + 6  # the split holds two


def test_the_command(tmp_path, capsys):
    cfg = Garden(tmp_path).plant()
    assert main(["--cfg", str(cfg), "--out", str(tmp_path / "a" / "s.png"), "--count", "6"]) == 0
    assert cv2.imread(str(tmp_path / "a" / "s.png")).shape[1] == 4 * 326 + 6
    assert main(["--cfg", str(cfg), "--split", "none", "--out", str(tmp_path / "s.png")]) == 2
    assert "has no split 'none'" in capsys.readouterr().err
    assert main([]) == 2
