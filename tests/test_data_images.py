"""Reading pictures and labels: every kind of broken file is an error that names it."""

import cv2
import numpy as np
import pytest

from core.data.datasets.images import colorize, read_image, read_label, values_present
from core.errors import DataError


def _picture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_image_is_rgb(tmp_path):
    rgb = _picture()
    cv2.imwrite(str(tmp_path / "a.png"), rgb[:, :, ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


def test_grey_image_gets_three_channels(tmp_path):
    grey = _picture()[:, :, 0]
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
def test_cut_files_are_refused(tmp_path, extension, share):
    whole = tmp_path / f"whole{extension}"
    cv2.imwrite(str(whole), _picture(200, 300))
    assert read_image(whole).shape == (200, 300, 3)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{extension}"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f"cut{extension}"):
        read_image(cut)


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path):
    path = tmp_path / "bit.png"
    cv2.imwrite(str(path), _picture())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"bit\.png.*damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty"), (b"hello, this is text", "not an image"), (None, "no such file")]
)
def test_files_that_are_no_images(tmp_path, content, message):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    for read in (read_image, read_label):
        with pytest.raises(DataError, match=rf"x\.png.*{message}"):
            read(path)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        read_image(tmp_path)


def test_label_with_colours_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "l.png"), _picture())
    with pytest.raises(DataError, match=r"l\.png.*one 8-bit channel.*3 of 8 bits"):
        read_label(tmp_path / "l.png")


def test_sixteen_bit_label_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "l.png"), np.full((5, 5), 300, np.uint16))
    with pytest.raises(DataError, match=r"l\.png.*16 bits"):
        read_label(tmp_path / "l.png")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_gives_indices(tmp_path, bits):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow writes the palette files for this test")
    label = np.random.default_rng(bits).integers(0, 1 << bits, (13, 21), np.uint8)
    picture = image_module.fromarray(label, mode="P")
    picture.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tolist())
    picture.save(tmp_path / "p.png", bits=bits)
    np.testing.assert_array_equal(read_label(tmp_path / "p.png"), label)


def test_colorize_and_values():
    palette = np.array([(10, 20, 30), (40, 50, 60)], np.uint8)
    label = np.array([[0, 1, 255]], np.uint8)
    assert colorize(label, palette).tolist() == [[[10, 20, 30], [40, 50, 60], [0, 0, 0]]]
    assert values_present(label).tolist() == [0, 1, 255]


def test_a_jpeg_may_have_more_behind_it_but_not_less(tmp_path):
    """Phones put a film behind the picture; whatever bytes it holds, start-of-scan among them, it says nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for flags in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        data = cv2.imencode(".jpg", noise, flags)[1].tobytes()
        (tmp_path / "a.jpg").write_bytes(data + b"ftypmp42\xff\xda\x00\x08film\xff\xd8")
        assert read_image(tmp_path / "a.jpg").shape == (40, 50, 3)
        for cut in (len(data) - 2, len(data) // 2, 30):
            (tmp_path / "b.jpg").write_bytes(data[:cut])
            with pytest.raises(DataError, match="cut short"):
                read_image(tmp_path / "b.jpg")
