"""Finding inputs, naming outputs and drawing them, without a network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.jobs.predict import extended, find_inputs, output_names, write_prediction
from core.data import DATASETS
from core.errors import DataError
from core.visualize import overlay, side_by_side


def test_inputs_are_files_folders_and_videos(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "clip.mp4", "notes.txt"):
        (tmp_path / name).touch()
    pictures, videos = find_inputs([tmp_path])
    assert [p.name for p in pictures] == ["a.jpg", "b.PNG"]
    assert [v.name for v in videos] == ["clip.mp4"]


@pytest.mark.parametrize(("name", "message"), [("absent.png", "no such file"), ("notes.txt", "neither a picture")])
def test_what_is_no_input_is_said_first(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=message):
        find_inputs([tmp_path / name])


def test_an_empty_folder_and_equal_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        find_inputs([tmp_path / "a"])
    with pytest.raises(DataError, match="same files"):
        output_names([Path("x/1.png"), Path("y/1.jpg")])


def test_outputs_hold_classes_palette_and_overlay(tmp_path: Path) -> None:
    palette = DATASETS["camvid"].palette
    picture = np.full((4, 6, 3), 100, np.uint8)
    labels = np.tile(np.array([0, 1, 2, 3, 4, 255], np.uint8), (4, 1))
    write_prediction(tmp_path, "p", picture, lambda _: labels, palette, 0.5)
    assert np.array_equal(cv2.imread(str(tmp_path / "p_label.png"), cv2.IMREAD_UNCHANGED), labels)
    colours = cv2.imread(str(tmp_path / "p_color.png"))[:, :, ::-1]
    assert np.array_equal(colours[0, 1], palette[1])
    mixed = cv2.imread(str(tmp_path / "p_overlay.png"))[:, :, ::-1]
    assert np.array_equal(mixed[0, 5], picture[0, 5])  # ignored: the picture alone
    assert np.abs(mixed[0, 3].astype(int) - (picture[0, 3].astype(int) + palette[3]) / 2).max() <= 1


def test_outputs_beyond_the_classes_are_black() -> None:
    palette = extended(DATASETS["camvid"].palette, 12)
    assert palette.shape == (12, 3)
    assert not palette[11].any()


def test_side_by_side_keeps_the_pictures() -> None:
    a, b = np.full((5, 4, 3), 10, np.uint8), np.full((5, 7, 3), 200, np.uint8)
    row = side_by_side([a, b], ["a", "b"], gap=2)
    assert row.shape == (27, 13, 3)
    assert (row[22:, :4] == 10).all()
    assert (row[22:, 6:] == 200).all()
    assert overlay(a, np.zeros((5, 4), np.uint8), np.array([[30, 30, 30]], np.uint8), 1.0).max() == 30
