"""Label maps in every depth, turned pictures, odd lists and stray files: the right thing, or one sentence."""

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest

from core.config import load_config
from core.data import open_dataset
from core.data.datasets.containers import exif_orientation
from core.data.datasets.images import open_image, read_image, read_label
from core.data.datasets.listing import read_lines
from core.errors import DataError
from core.evaluation.scoring import evaluate
from core.training import check_run
from tests.picture_files import bmp, png, tiff, turned_jpeg


def _numbers(bits: int) -> np.ndarray:
    return np.random.default_rng(bits).integers(0, 1 << min(bits, 8), (5, 13), np.uint8)


def _labels() -> dict[str, tuple[bytes, np.ndarray]]:
    """Name -> (file, the numbers stored in it)."""
    files = {}
    for bits in (1, 2, 4, 8):
        values = _numbers(bits)
        files[f"grey{bits}.png"] = png(values, bits), values
        files[f"palette{bits}.png"] = png(values, bits, 3), values
        if bits != 2:  # which BMP does not know
            files[f"bmp{bits}.bmp"] = bmp(values[:1], bits, [17 * i % 256 for i in range(1 << bits)]), values[:1]
    for bits in (1, 8):
        for photometric in (0, 1, 3):
            files[f"photometric{photometric}_{bits}.tif"] = tiff(_numbers(bits), bits, photometric), _numbers(bits)
    values = _numbers(8)
    files["transparent.png"] = png(values, 8, extra={b"tRNS": struct.pack(">H", int(values[0, 0]))}), values
    files["deep.png"] = cv2.imencode(".png", values.astype(np.uint16))[1].tobytes(), values
    files["deep.tif"] = cv2.imencode(".tif", values.astype(np.int32))[1].tobytes(), values
    files["float.tif"] = cv2.imencode(".tif", values.astype(np.float32))[1].tobytes(), values
    small = np.array([[0, 1, 9, 18]], np.uint8)
    files["a.pgm"] = b"P5\n# by hand\n4 1 18\n" + small.tobytes(), small
    files["plain.pgm"] = b"P2 4 1 18\n0 1 9 18\n", small
    files["bits.pgm"] = b"P4 4 1\n\x50", np.array([[0, 1, 0, 1]], np.uint8)
    return files


@pytest.mark.parametrize("name", _labels())
def test_labels_are_what_is_stored(tmp_path, name):
    data, values = _labels()[name]
    (tmp_path / name).write_bytes(data)
    read = read_label(tmp_path / name)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, values)


def test_damaged_labels_are_data_errors_or_maps(tmp_path):
    """Whatever one byte of a header turns into: a label map, or a sentence; the containers' readers do not stumble."""
    rng = np.random.default_rng(0)
    path = tmp_path / "l.bin"
    for name, (data, _) in _labels().items():
        for _ in range(20):
            damaged = bytearray(data)
            damaged[rng.integers(2, len(data))] = rng.integers(256)
            path.write_bytes(damaged[: rng.choice([len(data), rng.integers(1, len(data))])])
            with contextlib.suppress(DataError):
                assert read_label(path).dtype == np.uint8, name


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes(), "JPEG"),
        (cv2.imencode(".webp", np.zeros((8, 8, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes(), "WebP"),
        (cv2.imencode(".jp2", np.zeros((64, 64), np.uint8))[1].tobytes(), "JPEG 2000"),
        (tiff(_numbers(8), 8, 1, compression=7), "JPEG"),
        (tiff(_numbers(4), 4, 1), "TIFF file of 4 bits a pixel"),
        (b"II+\0" + bytes(30), "BigTIFF"),
        (cv2.imencode(".tif", np.full((2, 2), 0.5, np.float32))[1].tobytes(), "32 bits, with values such as 0.5"),
        (cv2.imencode(".tif", np.full((2, 2), -1, np.int16))[1].tobytes(), "16 bits, with values such as -1"),
        (cv2.imencode(".webp", np.zeros((8, 8, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes(), "channel"),
    ],
)
def test_labels_that_cannot_be_trusted_are_refused_whatever_their_name(tmp_path, data, message):
    (tmp_path / "l.png").write_bytes(data)
    with pytest.raises(DataError, match=rf"l\.png: .*{message}"):
        read_label(tmp_path / "l.png")


def test_deep_pictures(tmp_path):
    """16 bits keep their upper 8; what has no known white, or would be black, is one sentence."""
    wide = np.arange(0, 65536, 4369, dtype=np.uint16).reshape(4, 4)
    for name in ("a.png", "a.tif", "a.pgm"):
        cv2.imwrite(str(tmp_path / name), wide)
        assert np.array_equal(read_image(tmp_path / name)[..., 0], wide >> 8)
        cv2.imwrite(str(tmp_path / name), wide >> 4)
        with pytest.raises(DataError, match=rf"{name}: .*largest value is 4095 of 65535.*convert it to 8 bits"):
            read_image(tmp_path / name)
    (tmp_path / "b.pgm").write_bytes(b"P5 3 1 4095\n" + struct.pack(">3H", 0, 1024, 4095))
    assert read_image(tmp_path / "b.pgm")[0, :, 1].tolist() == [0, 64, 255]
    for dtype in (np.float32, np.float64, np.int16, np.int32):
        (tmp_path / "c.tif").write_bytes(cv2.imencode(".tif", np.ones((4, 4, 3), dtype))[1].tobytes())
        with pytest.raises(DataError, match=rf"c\.tif: holds {np.dtype(dtype)} numbers.*convert the picture to 8 bits"):
            read_image(tmp_path / "c.tif")
    cv2.imwrite(str(tmp_path / "d.tif"), np.dstack([np.full((4, 4), v, np.uint8) for v in (3, 2, 1)]))
    assert read_image(tmp_path / "d.tif")[0, 0].tolist() == [1, 2, 3]


def _camvid(root, names, image=lambda i: np.full((6, 8, 3), i, np.uint8), label=lambda i: np.full((6, 8), i, np.uint8)):
    for i, name in enumerate(names):
        for folder, make in (("train", image), ("trainannot", label)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            content = make(i)
            if not isinstance(content, bytes):
                content = cv2.imencode(".png", content)[1].tobytes()
            (root / folder / f"{name}.png").write_bytes(content)
    return root


# How the sensor's picture is turned by each EXIF orientation (Exif 2.32, tag 0x0112).
_TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", _TURNED)
def test_pictures_are_turned_as_their_label_maps_are(tmp_path, orientation):
    """Upright, as tools show them to whoever draws the mask; as stored where the mask fits only so."""
    sensor = np.zeros((32, 48, 3), np.uint8)
    sensor[:16, :16] = 250  # a block of the codec, so that no edge blurs
    upright = np.ascontiguousarray(_TURNED[orientation](sensor))
    label = (upright[..., 0] > 0).astype(np.uint8)
    data = turned_jpeg(sensor, orientation)
    sample = open_dataset("camvid", "train", _camvid(tmp_path / "up", ["a"], lambda _: data, lambda _: label))[0]
    np.testing.assert_array_equal(sample.image[..., 0] > 128, sample.label == 1)
    np.testing.assert_array_equal(read_image(tmp_path / "up" / "train" / "a.png"), sample.image)  # as predict reads it
    if orientation >= 5:
        label = (sensor[..., 0] > 0).astype(np.uint8)
        sample = open_dataset("camvid", "train", _camvid(tmp_path / "raw", ["a"], lambda _: data, lambda _: label))[0]
        np.testing.assert_array_equal(sample.image[..., 0] > 128, sample.label == 1)


_LIST = "/x/train/b one.png /x/trainannot/b one.png\n\n/x y/train/a.png  /x y/trainannot/a.png\n"


@pytest.mark.parametrize(
    "text",
    [
        _LIST,
        _LIST.replace("\n", "\r\n"),
        "\ufeff" + _LIST,
        _LIST.replace("png /", "png\t/").replace("png  /", "png\t/"),
        _LIST.replace("/", "\\"),
        "train/b one.png\ntrain/a.png",
    ],
    ids=["blanks", "CRLF", "mark", "tabs", "backslashes", "one column"],
)
def test_lists_of_files(tmp_path, text):
    root = _camvid(tmp_path, ["b one", "a", "b", "one"])
    (root / "train.txt").write_bytes(text.encode())
    dataset = open_dataset("camvid", "train", root)
    assert [(pair.image.name, pair.label.name) for pair in dataset.pairs] == [("b one.png",) * 2, ("a.png",) * 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_LIST.encode("utf-16"), r"train\.txt: is encoded as UTF-16.*save it as UTF-8"),
        (_LIST.encode("utf-16-be"), r"train\.txt: is encoded as UTF-16.*save it as UTF-8"),
        ("train/a.png\r\ntrain/街道.png".encode("gbk"), r"train\.txt:2: is not encoded as UTF-8.*GBK"),
        ("train/é.png".encode("latin-1"), r"train\.txt:1: is not encoded as UTF-8.*Latin-1"),
    ],
)
def test_lists_in_other_encodings(tmp_path, data, message):
    root = _camvid(tmp_path, ["a"])
    (root / "train.txt").write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_dataset("camvid", "train", root)


def test_lines_end_at_line_ends_alone(tmp_path):
    (tmp_path / "l.txt").write_bytes("a\u2028b\x0c.png\r\n \r c\n".encode())
    assert read_lines(tmp_path / "l.txt") == [(1, "a\u2028b\x0c.png"), (3, "c")]
    with pytest.raises(DataError, match=r"absent\.txt: cannot be read"):
        read_lines(tmp_path / "absent.txt")


def test_companions_of_macos_are_no_pictures(tmp_path):
    root = _camvid(tmp_path / "camvid", ["a"])
    for folder in ("train", "trainannot"):
        (root / folder / "._a.png").write_bytes(b"\0\5\x16\7")
    assert len(open_dataset("camvid", "train", root)) == 1
    folder = tmp_path / "leftImg8bit" / "val" / "x"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "x_0_1_leftImg8bit.png"), np.zeros((2, 2, 3), np.uint8))
    (folder / "._x_0_1_leftImg8bit.png").write_bytes(b"\0\5\x16\7")
    (folder / "x_0_1_leftImg8bit.json").write_text("{}")
    assert len(open_dataset("cityscapes", "val", tmp_path, require_labels=False)) == 1


def test_no_picture_hides_another(tmp_path):
    root = _camvid(tmp_path, ["a"])
    cv2.imwrite(str(root / "train" / "a.jpg"), np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.jpg and .*a\.png: differ by extension alone"):
        open_dataset("camvid", "train", root)
    for name in ("a.jpg", "a.png"):
        (root / "train.txt").write_text(f"train/{name} trainannot/a.png")
        assert open_dataset("camvid", "train", root).pairs[0].image.name == name
    (root / "train.txt").write_text("train/a.bmp trainannot/a.png")
    with pytest.raises(DataError, match="differ by extension alone"):
        open_dataset("camvid", "train", root)


class _AlwaysZero:
    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), 11, *size), np.float32)

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((len(images), *size), np.uint8)


def test_one_class_or_none_is_worth_a_warning(tmp_path, capsys):
    """A mask of 0 and 255 scores an mIoU of 1 against whatever says 0: said before training and after scoring."""
    mask = np.zeros((64, 64), np.uint8)
    mask[:32] = 255
    settings = ["model.preset=fast_scnn_tiny", "data.dataset=camvid", "transform.crop=[32, 32]", "train.batch_size=2"]
    config = load_config(overrides=[*settings, f"data.root={tmp_path}"])
    spec = config.spec(11)
    for maps, expected in (
        ([mask, mask], "only class 0 (Sky) is labelled in"),
        ([np.full_like(mask, 11)] * 2, "every pixel of"),
        ([mask, np.where(mask == 0, 3, 11).astype(np.uint8)], None),
    ):
        dataset = open_dataset(
            "camvid",
            "train",
            _camvid(
                tmp_path, ["a", "b"], lambda i: _numbers(8 + i)[:1].repeat(64, 0).repeat(5, 1)[:, :64], maps.__getitem__
            ),
        )
        check_run(config, spec, dataset, dataset)
        before = capsys.readouterr().err
        result = evaluate(
            dataset, config.eval_transform(), config.evaluation, _AlwaysZero(), spec, metrics=config.metrics
        )
        after = capsys.readouterr().err
        if expected is None:
            assert before == after == ""
        else:
            assert f"WARNING: camvid/train: {expected} the 2 label maps looked at" in before
            assert f"WARNING: camvid/train: {expected} its 2 pictures" in after
        if expected == "only class 0 (Sky) is labelled in":
            assert result.scores.mean_iou == 1
            assert "In a mask of 0 and 255, 255 is ignored; if it means a class, store its number" in before


def test_names_with_blanks_in_lists_of_names(tmp_path):
    """As VOC's layout is imitated with one's own pictures; a second path in a line is left alone."""
    for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        (tmp_path / folder).mkdir()
        for name in ("my street 1", "b"):
            pixels = np.zeros((6, 8) if suffix == ".png" else (6, 8, 3), np.uint8)
            (tmp_path / folder / f"{name}{suffix}").write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes("\ufeffmy street 1\r\nb.jpg SegmentationClass/b.png\r\n".encode())
    assert [pair.label.name for pair in open_dataset("voc", "train", tmp_path).pairs] == ["my street 1.png", "b.png"]


@pytest.mark.parametrize("orientation", _TURNED)
def test_webp_and_png_are_turned_as_jpeg_is(tmp_path, orientation):
    sensor = np.zeros((32, 48, 3), np.uint8)
    sensor[:16, :16] = 250
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    webp = cv2.imencode(".webp", sensor, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    stream = webp[12:]
    extended = b"VP8X" + struct.pack("<IB3x", 10, 8) + (47).to_bytes(3, "little") + (31).to_bytes(3, "little")
    body = b"WEBP" + extended + stream + b"EXIF" + struct.pack("<I", len(exif)) + exif
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    plain = cv2.imencode(".png", sensor)[1].tobytes()
    chunk = b"eXIf" + exif
    (tmp_path / "a.png").write_bytes(
        plain[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    )
    for name in ("a.webp", "a.png"):
        assert exif_orientation((tmp_path / name).read_bytes()) == orientation
        np.testing.assert_array_equal(read_image(tmp_path / name), _TURNED[orientation](sensor))
        like = read_image(tmp_path / name).shape[:2]
        picture = open_image(tmp_path / name, like)
        assert picture.size == like
        np.testing.assert_array_equal(picture.first(like[0]), _TURNED[orientation](sensor))
