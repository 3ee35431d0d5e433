"""From a picture and its label map to the arrays a network takes.

Pure functions on uint8 pictures [H, W, 3] (RGB) and uint8 labels [H, W], and the two transforms made of them. All
randomness comes from the generator passed in; only `Generator.random` is drawn from. Nothing here depends on the
number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from core.data.datasets.base import IGNORE
from core.data.normalization import AUTO, Normalize, Positive, find_normalization
from core.ranges import Checked, Increasing, Range, When

Pixels = Annotated[int, Range(1)]
Size = tuple[Pixels, Pixels]  # height, width
Probability = Annotated[float, Range(0, 1)]


def resize_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear, half-pixel centres, no anti-aliasing; uint8 or float32 [H, W, 3] -> `size`."""
    if image.shape[:2] == tuple(size):
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def resize_label(label: np.ndarray, size: Size) -> np.ndarray:
    """The nearest pixel by half-pixel centres; uint8 [H, W] -> `size`.

    Written out, because OpenCV's INTER_NEAREST takes the pixel at the upper left corner instead: half a pixel off the
    picture.
    """
    if label.shape == tuple(size):
        return label
    rows, columns = (_nearest(label.shape[axis], size[axis]) for axis in (0, 1))
    return label[rows[:, None], columns]


def _nearest(source: int, target: int) -> np.ndarray:
    return (2 * np.arange(target) + 1) * source // (2 * target)


def scaled_size(size: Size, scale: float) -> Size:
    """`size` times `scale`, rounded half up, at least one pixel."""
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


def draw_scale(rng: np.random.Generator, scale: Sequence[float], scales: Sequence[float] = ()) -> float:
    """One of `scales` if there are any, else uniform in [scale[0], scale[1]]."""
    u = rng.random()
    if scales:
        return float(scales[int(u * len(scales))])
    return float(scale[0] + (scale[1] - scale[0]) * u)


def draw_window(size: Size, crop: Size, rng: np.random.Generator) -> tuple[slice, slice]:
    """A window of `crop` (or of the whole extent, where the picture is smaller) at a uniformly drawn place."""
    spans = []
    for extent, wanted in zip(size, crop, strict=True):
        start = int(rng.random() * (max(extent - wanted, 0) + 1))
        spans.append(slice(start, min(start + wanted, extent)))
    return spans[0], spans[1]


def largest_share(label: np.ndarray) -> float:
    """The share of the most frequent class among the pixels that are not ignored; 1 if all are ignored."""
    counts = np.bincount(label.ravel(), minlength=256)[:IGNORE]
    total = int(counts.sum())
    return float(counts.max()) / total if total else 1.0


def choose_window(
    label: np.ndarray, crop: Size, rng: np.random.Generator, cat_max_ratio: float | None = None, tries: int = 10
) -> tuple[slice, slice]:
    """Draw a crop window, again while one class fills `cat_max_ratio` of it or more; the last of `tries` stands."""
    window = draw_window((label.shape[0], label.shape[1]), crop, rng)
    if cat_max_ratio is None:
        return window
    for _ in range(tries - 1):
        if largest_share(label[window]) < cat_max_ratio:
            break
        window = draw_window((label.shape[0], label.shape[1]), crop, rng)
    return window


def pad_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Zeros below and to the right of a normalised picture [3, H, W]: the mean colour."""
    out = np.zeros((image.shape[0], *size), image.dtype)
    out[:, : image.shape[1], : image.shape[2]] = image
    return out


def pad_label(label: np.ndarray, size: Size) -> np.ndarray:
    """Ignored pixels below and to the right of a label map [H, W]."""
    out = np.full(size, IGNORE, label.dtype)
    out[: label.shape[0], : label.shape[1]] = label
    return out


def jitter_colors(
    image: np.ndarray,
    rng: np.random.Generator,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    probability: float = 0.5,
) -> np.ndarray:
    """The photometric distortion of SSD (Liu et al., ECCV 2016, section 2.2), each part with `probability`.

    Args:
        image: uint8 [H, W, 3], RGB.
        brightness: the largest shift, as a share of the range 0..255 (SSD: 0.125).
        contrast, saturation: the factor is drawn from 1 ± this (SSD: 0.5).
        hue: the largest turn, as a share of the full circle (SSD: 0.1).

    Contrast comes before or after saturation and hue with even odds, as in the paper's implementation. Nine numbers are
    drawn in any case, so that one part's setting does not change what another draws.
    """
    u = rng.random(9)
    on = u[:5] < probability
    offset = (2 * u[5] - 1) * brightness * 255 if on[0] else 0.0
    factor = 1 + (2 * u[6] - 1) * contrast if on[1] else 1.0
    ramp = np.arange(256) + offset
    if u[4] < 0.5:
        image = _map_values(image, ramp * factor)
        return _shift_hue_saturation(image, u, on, saturation, hue)
    image = _map_values(image, ramp)
    image = _shift_hue_saturation(image, u, on, saturation, hue)
    return _map_values(image, np.arange(256) * factor)


def _shift_hue_saturation(
    image: np.ndarray, u: np.ndarray, on: np.ndarray, saturation: float, hue: float
) -> np.ndarray:
    factor = 1 + (2 * u[7] - 1) * saturation if on[2] else 1.0
    turn = round((2 * u[8] - 1) * hue * 180) if on[3] else 0  # OpenCV counts hue in steps of 2 degrees
    if factor == 1.0 and turn == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = (np.arange(256) + turn) % 180
    table[0, :, 1] = np.clip(np.rint(np.arange(256) * factor), 0, 255)
    table[0, :, 2] = np.arange(256)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB)


def _map_values(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Replace each of the 256 values, rounded and clipped to uint8."""
    if np.array_equal(values, np.arange(256)):
        return image
    return cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8))


def blur_image(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with a deviation of `sigma` pixels; borders reflect."""
    if sigma <= 0:
        return image
    return cv2.GaussianBlur(image, (0, 0), sigmaX=sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT_101)


@dataclass(frozen=True)
class TrainTransform(Checked):
    """Resize, scale, crop, flip, colours, blur, normalise, pad: in this order, each optional but the crop.

    Sizes are (height, width). A configuration's section `transform` is one of these.

    normalize: see core.data.normalization; `auto` as long as nothing else is known.
    resize: first bring the whole picture to this height and width.
    scale: the random scale is uniform in [lo, hi]; (1, 1) for none.
    scales: draw the scale from this list instead.
    crop: height and width of what comes out.
    cat_max_ratio: draw the crop again (up to ten times) while one class has this share of its labelled pixels; None
        for never.
    flip: probability of a horizontal flip.
    brightness, contrast, saturation, hue: see `jitter_colors`; 0 for none.
    jitter_probability: probability of each of these four.
    blur: probability of a Gaussian blur, its deviation uniform in `blur_sigma` pixels.
    """

    normalize: str | Normalize = AUTO
    resize: Size | None = None
    scale: Annotated[tuple[Positive, Positive], Increasing(strictly=False), When("scales", ())] = (0.5, 2.0)
    scales: tuple[Positive, ...] = ()
    crop: Size = (512, 512)
    cat_max_ratio: Annotated[float, Range(above=0, high=1)] | None = None
    flip: Probability = 0.5
    brightness: Annotated[float, Range(0, 1)] = 0.0
    contrast: Annotated[float, Range(0, 1)] = 0.0
    saturation: Annotated[float, Range(0, 1)] = 0.0
    hue: Annotated[float, Range(0, 0.5)] = 0.0
    jitter_probability: Annotated[Probability, When(("brightness", "contrast", "saturation", "hue"))] = 0.5
    blur: Probability = 0.0
    blur_sigma: Annotated[tuple[Positive, Positive], Increasing(strictly=False), When("blur")] = (0.1, 1.5)

    def __post_init__(self) -> None:
        find_normalization(self.normalize)

    @property
    def jitter(self) -> tuple[float, ...]:
        """The options of `jitter_colors`, in order."""
        return self.brightness, self.contrast, self.saturation, self.hue, self.jitter_probability

    def __call__(self, image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [h, w, 3] and uint8 [h, w] -> float32 [3, H, W] and int64 [H, W], with (H, W) = `crop`."""
        if self.resize is not None:
            image, label = resize_image(image, self.resize), resize_label(label, self.resize)
        size = scaled_size((label.shape[0], label.shape[1]), draw_scale(rng, self.scale, self.scales))
        image, label = resize_image(image, size), resize_label(label, size)
        window = choose_window(label, self.crop, rng, self.cat_max_ratio)
        image, label = image[window], label[window]
        if rng.random() < self.flip:
            image, label = image[:, ::-1], label[:, ::-1]
        image = np.ascontiguousarray(image)
        if any(self.jitter[:4]):
            image = jitter_colors(image, rng, *self.jitter)
        if self.blur > 0:
            u = rng.random(2)
            if u[0] < self.blur:
                image = blur_image(image, self.blur_sigma[0] + (self.blur_sigma[1] - self.blur_sigma[0]) * u[1])
        return pad_image(find_normalization(self.normalize)(image), self.crop), pad_label(label, self.crop).astype(
            np.int64
        )


class EvalTransform:
    """Normalises. Sizes are the evaluation protocol's business; the label keeps its own: metrics count its pixels.

    Args:
        normalize: see core.data.normalization.
    """

    def __init__(self, normalize: str | Normalize = AUTO) -> None:
        self.normalize = find_normalization(normalize)

    def __call__(self, image: np.ndarray, label: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """uint8 [h, w, 3] and uint8 [h, w] (or None) -> float32 [3, h, w] and int64 label (or None)."""
        return self.normalize(image), None if label is None else label.astype(np.int64)
