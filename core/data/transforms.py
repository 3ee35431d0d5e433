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
from core.data.decoding import Picture, Whole
from core.data.normalization import AUTO, Normalize, Positive, find_normalization
from core.data.resampling import (
    Window,
    compiled,
    nearest,
    resize_image_window,
    resize_label,
    resize_label_window,
    rows_reached,
)
from core.ranges import Checked, Increasing, Range, When

Pixels = Annotated[int, Range(1)]
Size = tuple[Pixels, Pixels]  # height, width
Probability = Annotated[float, Range(0, 1)]


def scaled_size(size: Size, scale: float) -> Size:
    """`size` times `scale`, rounded half up, at least one pixel."""
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


def draw_scale(rng: np.random.Generator, scale: Sequence[float], scales: Sequence[float] = ()) -> float:
    """One of `scales` if there are any, else uniform in [scale[0], scale[1]]."""
    u = rng.random()
    if scales:
        return float(scales[int(u * len(scales))])
    return float(scale[0] + (scale[1] - scale[0]) * u)


def draw_window(size: Size, crop: Size, rng: np.random.Generator) -> Window:
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
) -> Window:
    """Draw a crop window, again while one class fills `cat_max_ratio` of it or more; the last of `tries` stands."""
    window = draw_window((label.shape[0], label.shape[1]), crop, rng)
    if cat_max_ratio is None:
        return window
    for _ in range(tries - 1):
        if largest_share(label[window]) < cat_max_ratio:
            break
        window = draw_window((label.shape[0], label.shape[1]), crop, rng)
    return window


def normalize_into(out: np.ndarray, image: np.ndarray, normalize: Normalize) -> None:
    """The normalised picture at the upper left of out, float32 [3, H, W]; zeros, the mean colour, beside and below."""
    kernels = compiled(out[0].size)
    if kernels is not None:
        kernels.to_planes(image, normalize.tables(), normalize.channels(), out)
        return
    height, width = image.shape[:2]
    normalize(image, out=out[:, :height, :width])
    out[:, height:] = 0
    out[:, :, width:] = 0


def label_into(out: np.ndarray, label: np.ndarray, size: Size, window: Window, flip: bool) -> None:
    """`resize_label(label, size)[window]`, mirrored if `flip`, at the upper left of out, int64 [H, W]; else 255."""
    kernels = compiled(out.size)
    step = -1 if flip else 1
    if kernels is not None:
        rows, columns = (nearest(label.shape[axis], size[axis])[window[axis]] for axis in (0, 1))
        kernels.pick_labels(label, rows, columns[::step], IGNORE, out)
        return
    part = resize_label_window(label, size, window)[:, ::step]
    out[: part.shape[0], : part.shape[1]] = part
    out[part.shape[0] :] = IGNORE
    out[:, part.shape[1] :] = IGNORE


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
    hues = ((np.arange(256) + turn) % 180).astype(np.uint8)
    saturations = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    kernels = compiled(image.shape[0] * image.shape[1])
    if kernels is not None:
        kernels.map_two(hsv, hues, saturations)
    else:
        hsv = cv2.LUT(hsv, np.stack([hues, saturations, np.arange(256, dtype=np.uint8)], axis=-1)[None])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


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
    resize: the height and width that the scale is relative to; None for the picture's own.
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

    def __call__(
        self,
        image: np.ndarray | Picture,
        label: np.ndarray,
        rng: np.random.Generator,
        out: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [h, w, 3] and uint8 [h, w] -> float32 [3, H, W] and int64 [H, W], with (H, W) = `crop`.

        Of the picture only what the crop needs is decoded and resized. `out`: where to write the two.
        """
        picture = Whole(image) if isinstance(image, np.ndarray) else image
        size = scaled_size(self.resize or (label.shape[0], label.shape[1]), draw_scale(rng, self.scale, self.scales))
        window = self._window(label, size, rng)
        flip = rng.random() < self.flip
        height = label.shape[0]
        part = picture.first(rows_reached(height, size[0], window[0]))
        pixels = self._colours(resize_image_window(part, size, window, flip, height), rng)
        new = out or (np.empty((3, *self.crop), np.float32), np.empty(self.crop, np.int64))
        normalize_into(new[0], pixels, find_normalization(self.normalize))
        label_into(new[1], label, size, window, flip)
        return new

    def _window(self, label: np.ndarray, size: Size, rng: np.random.Generator) -> Window:
        """Where the crop lies in the picture of `size`."""
        if self.cat_max_ratio is None:
            return draw_window(size, self.crop, rng)
        return choose_window(resize_label(label, size), self.crop, rng, self.cat_max_ratio)

    def _colours(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if any(self.jitter[:4]):
            image = jitter_colors(image, rng, *self.jitter)
        if self.blur > 0:
            u = rng.random(2)
            if u[0] < self.blur:
                image = blur_image(image, self.blur_sigma[0] + (self.blur_sigma[1] - self.blur_sigma[0]) * u[1])
        return image


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
