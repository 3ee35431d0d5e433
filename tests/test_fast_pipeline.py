"""Only what a crop needs is decoded and resized: the same samples as the plain way, compiled kernels or not."""

import functools
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import decoding, resampling
from core.data.datasets.images import open_image, read_image, read_label
from core.data.decoding import PngRows, fast_png
from core.data.normalization import find_normalization
from core.data.resampling import reached, resize_image, resize_image_window, resize_label, resize_label_window
from core.data.transforms import TrainTransform, draw_scale, draw_window, jitter_colors, scaled_size
from core.errors import DataError

has_kernels = resampling.compiled(10**6) is not None
needs_kernels = pytest.mark.skipif(not has_kernels, reason="numba is not installed (extra data-fast)")
ways = pytest.mark.parametrize("kernels", [pytest.param(True, marks=needs_kernels), False])


@pytest.fixture(autouse=True)
def _always_worthwhile(monkeypatch):
    monkeypatch.setattr(resampling, "WORTHWHILE", 0)
    monkeypatch.setattr(resampling, "CHEAPER", 0)
    monkeypatch.setattr(decoding, "WORTHWHILE", 0)


def _use(monkeypatch, kernels):
    monkeypatch.setattr(resampling, "_has_numba", lambda: kernels)


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _slice(start, length, extent):
    start = start % extent
    return slice(start, min(start + length, extent))


extents = st.integers(1, 90)


@settings(max_examples=150, deadline=None)
@given(extents, extents, extents, extents, extents, extents, extents, extents, st.booleans(), st.booleans())
def test_a_window_is_cut_out_of_the_whole(h, w, height, width, top, rows, left, columns, flip, kernels):
    """Both ways are OpenCV's own numbers; labels are exact in any build."""
    image, size = _noise(h, w, 3, seed=h * w), (height, width)
    window = _slice(top, rows, height), _slice(left, columns, width)
    whole = resize_image(image, size)[window][:, :: -1 if flip else 1]
    with pytest.MonkeyPatch.context() as patch:
        _use(patch, kernels and has_kernels)
        part = resize_image_window(image, size, window, flip)
        needed = image[: reached(h, height, window[0]), : reached(w, width, window[1])]
        of_part = resize_image_window(needed, size, window, flip, (h, w))
    assert part.flags.c_contiguous
    assert np.abs(part.astype(int) - whole).max() <= 1
    np.testing.assert_array_equal(of_part, part)
    label = image[:, :, 0]
    np.testing.assert_array_equal(resize_label_window(label, size, window), resize_label(label, size)[window])


@needs_kernels
@pytest.mark.parametrize("size", [(233, 517), (400, 301), (128, 256), (96, 100), (255, 511), (37, 900)])
def test_the_kernels_are_opencv_to_the_bit(size):
    image = _noise(128, 256, 3)
    window = slice(5, size[0] - 3), slice(11, size[1] - 7)
    np.testing.assert_array_equal(resize_image_window(image, size, window), resize_image(image, size)[window])


def _plainly(transform, image, label, rng):
    """Resize all, then crop, flip, jitter, normalise and pad."""
    size = scaled_size(transform.resize or label.shape, draw_scale(rng, transform.scale, transform.scales))
    window = draw_window(size, transform.crop, rng)
    image, label = resize_image(image, size)[window], resize_label(label, size)[window]
    if rng.random() < transform.flip:
        image, label = image[:, ::-1], label[:, ::-1]
    image = np.ascontiguousarray(image)
    if any(transform.jitter[:4]):
        image = jitter_colors(image, rng, *transform.jitter)
    pixels = np.zeros((3, *transform.crop), np.float32)
    pixels[:, : label.shape[0], : label.shape[1]] = find_normalization(transform.normalize)(image)
    classes = np.full(transform.crop, 255, np.int64)
    classes[: label.shape[0], : label.shape[1]] = label
    return pixels, classes


@ways
@pytest.mark.parametrize("resize", [None, (50, 70), (120, 160)])
@pytest.mark.parametrize("normalize", ["imagenet", "bgr_mean"])
def test_a_sample_is_that_of_the_plain_way(monkeypatch, kernels, resize, normalize):
    image, label = _noise(60, 80, 3), _noise(60, 80, seed=1) % 5
    transform = TrainTransform(
        crop=(48, 64), resize=resize, normalize=normalize, brightness=0.1, contrast=0.5, saturation=0.5, hue=0.1
    )
    for seed in range(12):
        _use(monkeypatch, False)
        wanted = _plainly(transform, image, label, np.random.default_rng(seed))
        _use(monkeypatch, kernels)
        given_arrays = np.full((3, 48, 64), 7, np.float32), np.full((48, 64), 7, np.int64)
        for out in (None, given_arrays):
            found = transform(image, label, np.random.default_rng(seed), out=out)
            np.testing.assert_array_equal(found[0], wanted[0])
            np.testing.assert_array_equal(found[1], wanted[1])
        assert found[0] is given_arrays[0]


# PNG: rows by each filter, and what is left to OpenCV.


def _png(image, filters, kind, extra=b"", bits=8, interlaced=0):
    """A PNG file whose rows have the filters named, written by the recommendation's formulas."""
    height, width = image.shape[:2]
    step = image[0, 0].size
    flat = image.reshape(height, -1).astype(int)
    raw = bytearray()
    for y in range(height):
        row, above = flat[y], flat[y - 1] if y else np.zeros_like(flat[0])
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        corner = np.concatenate([np.zeros(step, int), above[:-step]])
        near = left + above - corner
        ranks = np.abs(near - np.stack([left, above, corner]))
        paeth = np.choose(ranks.argmin(axis=0), [left, above, corner])  # argmin takes the first of equals
        number = filters[y % len(filters)]
        guess = [np.zeros_like(row), left, above, (left + above) // 2, paeth][min(number, 4)]
        raw += bytes([number]) + ((row - guess) % 256).astype(np.uint8).tobytes()
    return _wrapped(width, height, kind, bytes(raw), extra, bits, interlaced)


def _wrapped(width, height, kind, raw, extra=b"", bits=8, interlaced=0):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    packed = zlib.compress(raw)
    parts = [packed[i : i + 100] for i in range(0, len(packed), 100)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + b"".join(chunk(b"IDAT", part) for part in parts)
        + chunk(b"IEND", b"")
    )


@needs_kernels
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 0, 3, 1, 2], [3, 4, 4, 1], [2, 4]])
def test_rows_of_a_png_are_opencv_s(tmp_path, filters):
    picture, label = tmp_path / "picture.png", tmp_path / "label.png"
    image, classes = _noise(23, 17, 3), _noise(23, 17)
    picture.write_bytes(_png(image, filters, kind=2))
    label.write_bytes(_png(classes, filters, kind=0))
    assert fast_png(picture.read_bytes(), color=True)
    np.testing.assert_array_equal(cv2.imread(str(picture))[:, :, ::-1], image)
    np.testing.assert_array_equal(read_image(picture), image)
    np.testing.assert_array_equal(read_label(label), classes)
    opened = open_image(picture, like=(23, 17))
    for rows, columns in ((1, 1), (2, 17), (9, 5), (23, 16), (23, 17), (99, 99)):
        np.testing.assert_array_equal(opened.first(rows, columns), image[:rows, :columns])


@needs_kernels
def test_files_of_opencv_and_palettes(tmp_path):
    for shape in ((70, 90, 3), (1, 1, 3), (5, 300, 3)):
        image = cv2.GaussianBlur(_noise(*shape), (5, 5), 2).reshape(shape)
        path = tmp_path / "a.png"
        cv2.imwrite(str(path), image)
        np.testing.assert_array_equal(fast_png(path.read_bytes(), color=True).first(*shape[:2]), image[:, :, ::-1])
    indices = _noise(20, 30) % 5
    palette = struct.pack(">I", 15) + b"PLTE" + bytes(15)
    palette += struct.pack(">I", zlib.crc32(palette[4:]))
    path.write_bytes(_png(indices, [1, 2], kind=3, extra=palette))
    np.testing.assert_array_equal(read_label(path), indices)
    assert fast_png(path.read_bytes(), color=True) is None  # a palette's colours are OpenCV's business


@needs_kernels
def test_other_pngs_are_left_to_opencv():
    image = _noise(9, 8, 3)
    orientation = b"\x00\x00\x00\x00eXIf" + struct.pack(">I", zlib.crc32(b"eXIf"))
    assert fast_png(_png(image, [0], kind=2), color=True)
    assert fast_png(_png(image, [0], kind=2, extra=orientation), color=True) is None
    assert fast_png(_png(image, [0], kind=2, interlaced=1), color=True) is None
    assert fast_png(_png(image, [0], kind=2, bits=16), color=True) is None
    assert fast_png(_png(image, [0], kind=2), color=False) is None
    assert fast_png(b"\xff\xd8\xff" + bytes(100), color=True) is None
    assert fast_png(b"", color=True) is None


@needs_kernels
@pytest.mark.parametrize(
    ("raw", "message"), [(bytes(9 * 25 - 30), "rows"), (bytes([9]) + bytes(9 * 25), "filter"), (None, "decompressed")]
)
def test_a_damaged_png_is_one_sentence(tmp_path, raw, message):
    path = tmp_path / "bad.png"
    data = _wrapped(8, 9, 2, raw or b"")
    if raw is None:
        position = data.index(b"IDAT") + 4
        broken = b"IDAT" + b"\xff" * (len(data) - position - 16)
        data = data[: position - 4] + broken + struct.pack(">I", zlib.crc32(broken)) + data[-12:]
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"bad\.png: .*{message}"):
        read_image(path)


@needs_kernels
def test_nothing_beyond_the_crop_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), _noise(64, 48, 3))
    asked = []
    first = PngRows.first
    monkeypatch.setattr(PngRows, "first", lambda self, *part: asked.append(part) or first(self, *part))
    picture, label = open_image(path), np.zeros((64, 48), np.uint8)
    transform = TrainTransform(crop=(16, 16), scale=(1, 1))
    windows = [draw_window((64, 48), (16, 16), _after_scale(seed)) for seed in range(6)]
    for seed in range(6):
        transform(picture, label, np.random.default_rng(seed))
    assert asked == [(rows.stop, columns.stop) for rows, columns in windows]
    assert min(asked)[0] < 40


def _after_scale(seed):
    rng = np.random.default_rng(seed)
    rng.random()
    return rng


def test_without_isal_the_pixels_are_the_same(monkeypatch):
    data = _png(_noise(9, 8, 3), [4], kind=2)
    stream = decoding.image_data(data)
    with_isal = decoding.inflate(stream, 100)
    monkeypatch.setattr(decoding, "_inflater", lambda: zlib.decompressobj)
    assert decoding.inflate(stream, 100) == with_isal == zlib.decompress(stream)[:100]


@needs_kernels
def test_a_numba_that_does_not_run_is_said_and_done_without(monkeypatch, capsys):
    monkeypatch.setattr(resampling, "_kernels", functools.cache(resampling._kernels.__wrapped__))
    failures = iter([RuntimeError("cannot cache"), ImportError("Numba needs NumPy 2.9 or less\nreally")])
    tried = []

    def fail(name):
        tried.append(name)
        raise next(failures)

    monkeypatch.setattr(resampling.importlib, "import_module", fail)
    image = _noise(30, 40, 3)
    window = slice(2, 40), slice(3, 50)
    for _ in range(2):
        found = resize_image_window(image, (45, 60), window)
    np.testing.assert_array_equal(found, resize_image(image, (45, 60))[window])
    assert tried == ["core.data.kernels"] * 2
    said = capsys.readouterr().err
    assert said.count("numba does not run here (Numba needs NumPy 2.9 or less): the data pipeline") == 1
