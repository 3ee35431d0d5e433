"""Finding inputs, naming outputs and drawing them, without a network."""

from __future__ import annotations

import io
import os
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.jobs import predict
from backends.jobs.cli import run
from backends.jobs.predict import Results, extended, find_inputs, output_names
from core.arch import Spec
from core.backend import Backend
from core.checkpoint import Checkpoint, save_checkpoint
from core.config import dump_config, load_config
from core.data import DATASETS
from core.errors import DataError, OutputError
from core.initialize import initial_state
from core.video import VideoReader, VideoWriter
from core.visualize import overlay, side_by_side
from tests.picture_files import turned_jpeg


def test_inputs_are_files_folders_and_videos(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "clip.mp4", "notes.txt"):
        (tmp_path / name).touch()
    pictures, videos = find_inputs([tmp_path], tmp_path / "out")
    assert [p.name for p in pictures] == ["a.jpg", "b.PNG"]
    assert [v.name for v in videos] == ["clip.mp4"]


@pytest.mark.parametrize(("name", "message"), [("absent.png", "no such file"), ("notes.txt", "neither a picture")])
def test_what_is_no_input_is_said_first(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=message):
        find_inputs([tmp_path / name], tmp_path / "out")


def test_an_empty_folder_and_equal_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        find_inputs([tmp_path / "a"], tmp_path / "out")
    assert list(output_names([Path("/d/x/1.png"), Path("/d/y/1.jpg"), Path("/d/y/2.1.png")]).values()) == [
        "x_1",
        "y_1",
        "2.1",
    ]
    assert list(output_names([Path("/d/x/z/1.png"), Path("/d/y/z/1.jpg")]).values()) == ["x_z_1", "y_z_1"]
    for pictures, videos in (
        (["x/1.png", "x/1.jpg"], []),
        (["x/1.png"], ["x/1.mp4"]),
        (["x/clip_000003.png"], ["y/clip.mp4"]),
        (["x/1.png", "y/1.png", "z/x_1.png"], []),
    ):
        with pytest.raises(DataError, match="same file"):
            output_names([Path("/d", p) for p in pictures], [Path("/d", v) for v in videos])


def test_results_are_never_inputs_and_an_input_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="another folder as --out"):
        find_inputs([tmp_path], tmp_path / "sub" / "..")
    assert find_inputs([tmp_path, tmp_path / "a.png"], tmp_path / "out") == ([tmp_path / "a.png"], [])
    assert find_inputs([tmp_path / "a.png"], tmp_path) == ([tmp_path / "a.png"], [])


def test_outputs_hold_classes_palette_and_overlay(tmp_path: Path) -> None:
    palette = DATASETS["camvid"].space.palette
    picture = np.full((4, 6, 3), 100, np.uint8)
    labels = np.tile(np.array([0, 1, 2, 3, 4, 255], np.uint8), (4, 1))
    Results(tmp_path, lambda _: labels, palette, 0.5).picture("p", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "p_label.png"), cv2.IMREAD_UNCHANGED), labels)
    colours = cv2.imread(str(tmp_path / "p_color.png"))[:, :, ::-1]
    assert np.array_equal(colours[0, 1], palette[1])
    mixed = cv2.imread(str(tmp_path / "p_overlay.png"))[:, :, ::-1]
    assert np.array_equal(mixed[0, 5], picture[0, 5])  # ignored: the picture alone
    assert np.abs(mixed[0, 3].astype(int) - (picture[0, 3].astype(int) + palette[3]) / 2).max() <= 1


def test_outputs_beyond_the_classes_are_black() -> None:
    palette = extended(DATASETS["camvid"].space.palette, 12)
    assert palette.shape == (12, 3)
    assert not palette[11].any()


def test_side_by_side_keeps_the_pictures() -> None:
    a, b = np.full((5, 4, 3), 10, np.uint8), np.full((5, 7, 3), 200, np.uint8)
    row = side_by_side([a, b], ["a", "b"], gap=2)
    assert row.shape == (27, 13, 3)
    assert (row[22:, :4] == 10).all()
    assert (row[22:, 6:] == 200).all()
    assert overlay(a, np.zeros((5, 4), np.uint8), np.array([[30, 30, 30]], np.uint8), 1.0).max() == 30


class Skyward:
    """Predicts class 0 everywhere."""

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), 11, *size), np.float32)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), *size), np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = load_config(None, ["model.preset=fast_scnn_tiny"])
    state = initial_state(config.spec(11).parameters(), 0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_checkpoint(path, Checkpoint(state, {}, 0, {"config": dump_config(config), "preset": "fast_scnn_tiny"}))
    return path


def predict_(weights: Path, *arguments: object) -> int:
    options = predict.parser("numpy").parse_args(["--weights", str(weights), *map(str, arguments)])

    def predictor(spec: Spec, state: object, device: str) -> Skyward:
        return Skyward()

    backend = Backend("numpy", None, predictor, None)  # type: ignore[arg-type]
    return run(lambda: predict.job(options, backend))


def film(path: Path, frames: int = 12) -> Path:
    rng = np.random.default_rng(0)
    with VideoWriter(path, 12.5, (48, 64)) as writer:
        for _ in range(frames):
            writer.write(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    return path


def test_one_bad_file_does_not_end_the_folder(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, shape in (
        ("a.png", (40, 50)),
        ("tiny.png", (3, 2)),
        ("cam1.0001.png", (40, 50)),
        ("cam1.0002.png", (40, 50)),
    ):
        cv2.imwrite(str(folder / name), np.zeros((*shape, 3), np.uint8))
    (folder / "turned.jpg").write_bytes(turned_jpeg(np.zeros((40, 50, 3), np.uint8), 6))
    (folder / "._a.png").write_bytes(b"\0\5\x16\7")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:60])
    (folder / "c.mp4").write_bytes(b"no film")
    assert predict_(weights, folder, "--out", tmp_path / "out") == 2
    said = capsys.readouterr()
    assert f"error: {folder / 'b.png'}: the file is cut short" in said.err
    assert f"error: {folder / 'c.mp4'}: the video cannot be opened" in said.err
    assert "2 of 7 inputs could not be segmented" in said.err
    assert "5 pictures, 0 videos" in said.out
    names = sorted(path.name for path in (tmp_path / "out").glob("*_label.png"))
    assert names == ["a_label.png", "cam1.0001_label.png", "cam1.0002_label.png", "tiny_label.png", "turned_label.png"]
    assert cv2.imread(str(tmp_path / "out" / "tiny_label.png"), cv2.IMREAD_UNCHANGED).shape == (3, 2)
    assert cv2.imread(str(tmp_path / "out" / "turned_label.png"), cv2.IMREAD_UNCHANGED).shape == (50, 40)


def test_a_picture_too_small_for_a_fixed_multiple_is_named(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "tiny.png"), np.zeros((3, 2, 3), np.uint8))
    fixed = ("--set", "evaluation.multiple=1", "--out", tmp_path / "out")
    assert predict_(weights, tmp_path / "tiny.png", *fixed) == 2
    assert f"error: {tmp_path / 'tiny.png'}: a picture of 3x2 reaches the network as 3x2" in capsys.readouterr().err


def test_names_need_not_be_utf_8(tmp_path: Path, weights: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    try:
        (tmp_path / f"{name}.png").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    _, data = cv2.imencode(".png", np.zeros((40, 50, 3), np.uint8))
    (tmp_path / f"{name}.png").write_bytes(data.tobytes())
    os.rename(film(tmp_path / "a.mp4", 3), tmp_path / f"{name}%02d.mp4")
    out = tmp_path / f"out{name}"
    assert predict_(weights, tmp_path, "--out", out) == 0
    assert sorted(os.listdir(out)) == sorted(
        [
            *(f"{name}_{kind}.png" for kind in ("color", "label", "overlay")),
            *(f"{name}%02d_{number:06d}_label.png" for number in range(3)),
            f"{name}%02d_overlay.mp4",
        ]
    )


def test_a_video_keeps_its_rate_and_length(tmp_path: Path, weights: Path) -> None:
    assert predict_(weights, film(tmp_path / "a.mp4"), "--out", tmp_path / "out") == 0
    with VideoReader(tmp_path / "out" / "a_overlay.mp4") as reader:
        assert (reader.rate, reader.announced, len(list(reader))) == (12.5, 12, 12)


class Standard:
    """Standard input or output, as bytes."""

    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


def test_a_video_through_pipes_keeps_its_rate_and_length(
    tmp_path: Path, weights: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Standard(film(tmp_path / "a.mp4").read_bytes()))
    assert predict_(weights, "-", "--out", "-") == 0
    said = capfdbinary.readouterr()
    assert b"0 pictures, 1 videos -> -" in said.err
    (tmp_path / "out.mp4").write_bytes(said.out)  # nothing but the video
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (reader.rate, reader.announced, len(list(reader))) == (12.5, 12, 12)


def test_standard_input_into_a_folder(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = cv2.imencode(".png", np.zeros((40, 50, 3), np.uint8))[1].tobytes()
    monkeypatch.setattr("sys.stdin", Standard(picture))
    assert predict_(weights, "-", "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "stdin_color.png",
        "stdin_label.png",
        "stdin_overlay.png",
    ]


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", ["-", "--out", "out"], "INPUT -: standard input is empty"),
        (b"", ["-", "-", "--out", "out"], "standard input can be read once"),
        (b"", ["a.mp4", "b.mp4", "--out", "-"], "standard output takes one overlay video"),
        (b"no film", ["-", "--out", "out"], "the video cannot be opened"),
        (cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), ["-", "--out", "-"], "INPUT is none"),
    ],
)
def test_a_pipe_that_cannot_be_meant_is_one_sentence(
    content: bytes,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", Standard(content))
    assert predict_(weights, *arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == "" or "-" not in arguments[-1]


def test_a_video_that_ends_early_is_said(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = VideoReader.__init__

    def boasting(self: VideoReader, path: Path) -> None:
        start(self, path)
        self.announced *= 2

    monkeypatch.setattr(VideoReader, "__init__", boasting)
    assert predict_(weights, film(tmp_path / "a.mp4"), "--out", tmp_path / "out") == 2
    assert "announces 24 frames, 12 can be read" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*_label.png"))) == 12


def test_a_video_the_disk_does_not_take_is_no_success(tmp_path: Path) -> None:
    """As on a full disk (here: a file may not grow): OpenCV writes on and says nothing, and the file lacks its end."""
    (tmp_path / "a.mp4").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputError, match=r"a\.mp4: the video could not be written whole"):
            film(tmp_path / "a.mp4", 40)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert film(tmp_path / "a.mp4", 40).stat().st_size > 20_000


def test_places_for_results_are_tried_first(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 50, 3), np.uint8))
    (tmp_path / "file").touch()
    assert predict_(weights, tmp_path / "a.png", "--out", tmp_path / "file") == 2
    assert f"{tmp_path / 'file'}: is a file; --out needs a folder" in capsys.readouterr().err
    assert predict_(weights, tmp_path / "a.png", "--out", tmp_path / "file" / "out") == 2
    assert "cannot be written" in capsys.readouterr().err

    def full(self: Path, data: bytes) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert predict_(weights, tmp_path / "a.png", "--out", tmp_path / "out") == 2
    assert "a_label.png: cannot be written (No space left on device)" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
