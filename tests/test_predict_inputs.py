"""What predict takes and gives beside pictures and label maps: lists, patterns, tiles, shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.jobs import predict
from backends.jobs.predict import Results, expanded, in_tiles
from backends.jobs.shapes import to_geojson, to_rle
from core.errors import DataError
from core.visualize import write_png


def test_patterns_and_lists(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "a.png", "sub/c.jpg", "note.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list.txt").write_text("\ufeffa.png\r\n\nsub/*.jpg\n", encoding="utf-8")
    assert expanded([tmp_path / "*.png"]) == [tmp_path / "a.png", tmp_path / "b.png"]
    assert expanded([Path(f"@{tmp_path}/list.txt")]) == [tmp_path / "a.png", tmp_path / "sub" / "c.jpg"]
    assert len(expanded([tmp_path / "**" / "*"])) == 3
    odd = tmp_path / "what[1].png"
    odd.write_bytes(b"x")
    assert expanded([odd]) == [odd]
    with pytest.raises(DataError, match="matches no picture"):
        expanded([tmp_path / "*.gif"])
    with pytest.raises(DataError, match="no such list file"):
        expanded([Path(f"@{tmp_path}/none.txt")])


def test_tiles_cover_every_pixel_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "HUGE", 1000)
    seen: list[tuple[int, ...]] = []

    def segment(picture: np.ndarray) -> np.ndarray:
        seen.append(picture.shape)
        return picture[:, :, 0]

    picture = np.random.default_rng(0).integers(0, 256, (701, 333, 3), dtype=np.uint8)
    assert np.array_equal(in_tiles(segment, 256)(picture), picture[:, :, 0])
    assert len(seen) > 4
    assert max(max(shape[:2]) for shape in seen) == 256
    wide = picture[:100]  # narrower than a tile
    assert np.array_equal(in_tiles(segment, 256)(wide), wide[:, :, 0])


def test_shapes() -> None:
    labels = np.full((6, 8), 255, np.uint8)
    labels[1:6, 1:7] = 2
    labels[3, 3:5] = 0
    runs = {entry["category_id"]: entry for entry in to_rle(labels, ["sky", "road", "car"])}
    assert runs.keys() == {0, 2}
    for index, entry in runs.items():
        counts = entry["segmentation"]["counts"]
        flat = np.concatenate([np.full(count, i % 2) for i, count in enumerate(counts)])
        assert np.array_equal(flat.reshape(labels.shape, order="F"), labels == index)
        assert entry["area"] == (labels == index).sum()
    features = to_geojson(labels, ["sky", "road", "car"])["features"]
    car = next(feature for feature in features if feature["properties"]["name"] == "car")
    outer, hole = car["geometry"]["coordinates"]
    assert outer[0] == outer[-1]
    assert {tuple(point) for point in outer} == {(1, 1), (6, 1), (6, 5), (1, 5)}
    assert len(hole) >= 4


def test_resume_leaves_out_what_is_complete(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    write_png(tmp_path / "a.png", picture)
    results = Results(tmp_path, lambda p: p[:, :, 0], np.zeros((1, 3), np.uint8), 0.5, ("geojson", "side_by_side"))
    assert not results.complete("a", tmp_path / "a.png")
    results.picture("a", picture)
    assert results.complete("a", tmp_path / "a.png")
    (tmp_path / "a_color.png").write_bytes(b"")
    assert not results.complete("a", tmp_path / "a.png")
