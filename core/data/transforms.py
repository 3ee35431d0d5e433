"""From a picture and its label map to the arrays a network takes.

Pure functions on uint8 pictures [H, W, 3] (RGB) and uint8 labels [H, W], and the two transforms made of them. All
randomness comes from the generator passed in; only `Generator.random` is drawn from. Nothing here depends on the
number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from core.data.augmentations import PRESETS
from core.data.colors import blur_image, enhance_colors, jitter_colors
from core.data.datasets.base import IGNORE
from core.data.decoding import Picture, Whole
from core.data.normalization import AUTO, Normalize, Positive, find_normalization
from core.data.resampling import (
    Window,
    compiled,
    nearest,
    reached,
    resize_image_window,
    resize_label,
    resize_label_window,
)
from core.errors import ConfigError
from core.ranges import Checked, Increasing, Range, When

Pixels = Annotated[int, Range(1)]
Size = tuple[Pixels, Pixels]  # height, width
Probability = Annotated[float, Range(0, 1)]
NotNegative = Annotated[float, Range(0)]


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


def draw_window_with(label: np.ndarray, focus: int, size: Size, crop: Size, rng: np.random.Generator) -> Window | None:
    """A window round a pixel of class `focus` of the label map [h, w] that is resized to `size`; None if it has none.

    The pixel is drawn uniformly from the class's, then the window from those that hold it.
    """
    places = np.flatnonzero(label == focus)
    u = rng.random(3)
    if not len(places):
        return None
    pixel = divmod(int(places[int(u[0] * len(places))]), label.shape[1])
    spans = []
    for axis in (0, 1):
        extent, wanted = size[axis], min(crop[axis], size[axis])
        place = min((2 * pixel[axis] + 1) * extent // (2 * label.shape[axis]), extent - 1)
        first, last = max(place - wanted + 1, 0), min(place, extent - wanted)
        start = first + int(u[1 + axis] * (last - first + 1))
        spans.append(slice(start, start + wanted))
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


@dataclass(frozen=True)
class TrainTransform(Checked):
    """Cut, scale, crop, flip, colours, blur, normalise, pad: in this order, each optional but the crop.

    Sizes are (height, width). A configuration's section `transform` is one of these.

    preset: the augmentation of a published repository (core.data.augmentations); settings beside it and after win.
    normalize: see core.data.normalization; `auto` as long as nothing else is known.
    resize: the height and width that the scale is relative to; None for the picture's own.
    keep_ratio: fit the picture into the long and the short side of `resize` instead of stretching it.
    scale: the random scale is uniform in [lo, hi]; (1, 1) for none.
    scales: draw the scale from this list instead.
    long_side, short_side: instead of a scale, a length in pixels from [lo, hi] for that side; the other in proportion.
    inset: with even odds first cut up to this many pixels (of `resize`, or of the picture) off each side, as many left
        as right and above as below.
    crop: height and width of what comes out.
    pad: where a picture smaller than the crop lies in it: in the upper left corner, or in the centre.
    cat_max_ratio: draw the crop again (up to ten times) while one class has this share of its labelled pixels; None
        for never.
    flip: probability of a horizontal flip. flip_vertical: of one upside down.
    brightness, contrast, saturation, hue: see `jitter_colors`; 0 for none.
    jitter_probability: probability of each of these four.
    blur: probability of a Gaussian blur, its deviation uniform in `blur_sigma` pixels.
    enhance, enhance_probability: see `enhance_colors`; 0 for none.
    cutmix: probability that a rectangle of another sample, of a share of the crop drawn uniformly, replaces what was
        there (Yun et al., arXiv:1905.04899; French et al., arXiv:1906.01916, for segmentation).
    copy_paste: probability that half of the classes of another sample are laid over this one, pixel by pixel (ClassMix,
        Olsson et al., arXiv:2007.07936; copy-paste, Ghiasi et al., arXiv:2012.07177).
    """

    preset: str | None = None
    normalize: str | Normalize = AUTO
    resize: Size | None = None
    keep_ratio: Annotated[bool, When("resize")] = False
    scale: Annotated[tuple[Positive, Positive], Increasing(strictly=False), When("scales", ())] = (0.5, 2.0)
    scales: tuple[Positive, ...] = ()
    long_side: Annotated[tuple[Pixels, Pixels], Increasing(strictly=False)] | None = None
    short_side: Annotated[tuple[Pixels, Pixels], Increasing(strictly=False)] | None = None
    inset: Annotated[int, Range(0)] = 0
    crop: Size = (512, 512)
    pad: Literal["corner", "centre"] = "corner"
    cat_max_ratio: Annotated[float, Range(above=0, high=1)] | None = None
    flip: Probability = 0.5
    flip_vertical: Probability = 0.0
    brightness: Annotated[float, Range(0, 1)] = 0.0
    contrast: Annotated[float, Range(0, 1)] = 0.0
    saturation: Annotated[float, Range(0, 1)] = 0.0
    hue: Annotated[float, Range(0, 0.5)] = 0.0
    jitter_probability: Annotated[Probability, When(("brightness", "contrast", "saturation", "hue"))] = 0.5
    blur: Probability = 0.0
    blur_sigma: Annotated[tuple[NotNegative, NotNegative], Increasing(strictly=False), When("blur")] = (0.1, 1.5)
    enhance: Annotated[float, Range(0, below=1)] = 0.0
    enhance_probability: Annotated[Probability, When("enhance")] = 0.3
    cutmix: Probability = 0.0
    copy_paste: Probability = 0.0

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise ConfigError(f"transform: there is no preset {self.preset!r} (there are: {', '.join(PRESETS)})")
        find_normalization(self.normalize)
        given = [name for name in ("scales", "long_side", "short_side") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(f"transform: {' and '.join(given)} each say the size: give one of them")
        if self.resize and (self.long_side or self.short_side):
            raise ConfigError(f"transform: resize and {given[0]} both say the size: give one of them")

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
        focus: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [h, w, 3] and uint8 [h, w] -> float32 [3, H, W] and int64 [H, W], with (H, W) = `crop`.

        Of the picture only what the crop needs is decoded and resized. `out`: where to write the two. `focus`: a class
        that the crop is to show, if the picture does.
        """
        picture = Whole(image) if isinstance(image, np.ndarray) else image
        rows, columns = self._inset((label.shape[0], label.shape[1]), rng)
        label = label[rows, columns]
        taken = (label.shape[0], label.shape[1])
        size = self._size(taken, rng)
        window = self._window(label, size, rng, focus)
        flip = rng.random() < self.flip
        part = picture.first(
            rows.start + reached(taken[0], size[0], window[0]), columns.start + reached(taken[1], size[1], window[1])
        )[rows.start : rows.stop, columns.start : columns.stop]
        pixels = self._colours(resize_image_window(part, size, window, flip, taken), rng)
        new = out or (np.empty((3, *self.crop), np.float32), np.empty(self.crop, np.int64))
        normalize_into(new[0], pixels, find_normalization(self.normalize))
        label_into(new[1], label, size, window, flip)
        self._place(new, pixels.shape[0], pixels.shape[1], rng)
        return new

    def _inset(self, size: Size, rng: np.random.Generator) -> Window:
        """The part of the picture that is taken."""
        margins = [0, 0]
        if self.inset:
            u = rng.random(3)
            if u[0] < 0.5:
                wanted = self.resize or size
                drawn = [int(value * (self.inset + 1)) for value in u[1:]]
                margins = [d * side // given for d, side, given in zip(drawn, size, wanted)]
                margins = [min(margin, (side - 1) // 2) for margin, side in zip(margins, size)]
        return slice(margins[0], size[0] - margins[0]), slice(margins[1], size[1] - margins[1])

    def _size(self, size: Size, rng: np.random.Generator) -> Size:
        """What a picture of `size` is resized to."""
        lengths = self.long_side or self.short_side
        if lengths:
            length = lengths[0] + int(rng.random() * (lengths[1] - lengths[0] + 1))
            side = max(size) if self.long_side else min(size)
            return (
                max(1, (2 * size[0] * length + side) // (2 * side)),
                max(1, (2 * size[1] * length + side) // (2 * side)),
            )
        scale = draw_scale(rng, self.scale, self.scales)
        if self.resize and self.keep_ratio:
            factor = min(max(self.resize) / max(size), min(self.resize) / min(size))
            return scaled_size(size, factor * scale)
        return scaled_size(self.resize or size, scale)

    def _window(self, label: np.ndarray, size: Size, rng: np.random.Generator, focus: int | None) -> Window:
        """Where the crop lies in the picture of `size`."""
        if focus is not None and (window := draw_window_with(label, focus, size, self.crop, rng)) is not None:
            return window
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
        if self.enhance:
            image = enhance_colors(image, rng, self.enhance, self.enhance_probability)
        return image

    def _place(self, sample: tuple[np.ndarray, np.ndarray], height: int, width: int, rng: np.random.Generator) -> None:
        """Turns a sample upside down, and moves it to the centre, if that is wanted; in place."""
        upside_down = self.flip_vertical > 0 and rng.random() < self.flip_vertical
        top, left = (self.crop[0] - height) // 2, (self.crop[1] - width) // 2
        for array, nothing in zip(sample, (0, IGNORE)):
            if upside_down:
                array[..., :height, :width] = array[..., :height, :width][..., ::-1, :].copy()
            if self.pad == "centre" and (top or left):
                part = array[..., :height, :width].copy()
                array[...] = nothing
                array[..., top : top + height, left : left + width] = part


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
