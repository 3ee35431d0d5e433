"""The evaluation protocol as a value, and the runner that applies it to one picture.

The same weights are reported with mIoUs several points apart because evaluation differs: sizes, scales, flips, windows,
padding, what is averaged. Here all of it stands in an `EvaluationProtocol`, and the runner does the rest in numpy and
OpenCV, the same for every backend. A backend brings a `LogitsFn`: its network, and its resize of the logits to the
input's size.

One picture goes this way, for each scale:

1. Resize the normalised float32 picture (bilinear, no antialiasing; resizing commutes with normalisation, but the
   originals that resize uint8 pictures also round them to integers, which this does not).
2. Cut windows, or take the whole. Pad each input right and below with `pad_value` (to the window with edge="pad", and
   up to a `multiple`), run the network, cut its logits (at the input's size) back. Average where windows overlap.
3. Resize to the picture (always in this order: the network's input size first, as all the originals do), combine with
   the other scales and flips, take the largest. Ties go to the lowest class index.

`combine` says what is averaged, and at which stage:

    logits         logits, over flips, windows and scales (SemSegPaddle)
    probabilities  softmax of the logits at the picture's size, over flips (of the whole picture) and scales;
                   overlapping windows average logits before (mmsegmentation)
    exp_logits     exp(logits + flipped logits) of each window, averaged over windows, summed over scales (GluonCV,
                   MXNetSeg, PyTorch-Encoding)

Originals, as examples (normalised black is -mean/std):

    MXNetSeg --ms  scales=(0.75, 1.0, ...), flip=True, long_side=base, window=(crop, crop), stride=2/3, edge="pad",
                   combine="exp_logits", pad_value=black, align_corners=True, align_corners_image=True
    SemSegPaddle   scales=(0.5, ...), flip=True, long_side=2048, window=(1024, 1024), stride=1/2, edge="pad",
                   pad_value=black, align_corners=True
    DABNet CamVid  resize=(768, 960)
    ESPNet         resize=(512, 1024)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError, DataError, SegParityError
from core.resize import resize_bilinear, resize_plane

Size = tuple[int, int]  # (height, width)
Image = NDArray[np.float32]  # [3, H, W], normalised
ScoreMap = NDArray[np.float32]  # [C, H, W]
Window = tuple[slice, slice]  # rows, columns

# (batch [N, 3, h, w], size (h, w)) -> the main head's logits resized to that size, [N, C, h, w] float32: a new array
# each time (the runner works in it).
LogitsFn = Callable[[NDArray[np.float32], Size], NDArray[np.float32]]

Edge = Literal["flush", "pad"]
Combine = Literal["logits", "probabilities", "exp_logits"]
LabelSize = Literal["original", "input"]

_LARGEST_EXPONENT = 80.0  # exp(80) times any sum of windows and scales is still a float32; inf would poison the resize


@dataclass(frozen=True)
class EvaluationProtocol:
    """How a picture becomes a label map; every field shows in `eval --json`. Sizes are (height, width) in pixels.

    scales: each multiplies the size that resize, long_side and short_side give (the picture's own without them).
    flip: also run the mirrored picture.
    resize: a fixed size, whatever the picture's proportions.
    long_side, short_side: resize in proportion until the side has this length (long_side: ceil(long_side * scale), the
        other side rounded). With both, the smaller factor counts: the picture fits into the two.
    window, stride: slide a window of this size. The stride is in pixels, or one number for a fraction of the window
        (rounded down); None means that windows do not overlap.
    edge: "flush" moves the last window back until it ends with the picture, and a picture smaller than the window is
        run as it is (mmsegmentation); "pad" leaves windows on the grid of the stride and pads those that stick out.
    multiple: pad every input until its sides are multiples of this (a constant, so that nothing depends on content).
    pad_value: what padding holds, per channel, in normalised units: 0 is the mean colour, -mean/std black.
    label_size: "original" scores at the picture's size; "input" at the network's input size, the label map being
        resized to it (nearest): cheaper, and not comparable with published figures. Needs scales == (1.0,).
    combine: see the module's docstring.
    align_corners: how logits at the input's size are resized to the picture. (From the head's resolution to the input's
        size they are resized by the backend, as the architecture's spec says.)
    align_corners_image: the same for the picture's resize.
    batch: how many windows (mirrored ones count) are run at once: faster for more memory, the same but for rounding.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    resize: Size | None = None
    long_side: int | None = None
    short_side: int | None = None
    window: Size | None = None
    stride: Size | float | None = None
    edge: Edge = "flush"
    multiple: int = 1
    pad_value: tuple[float, float, float] = (0.0, 0.0, 0.0)
    label_size: LabelSize = "original"
    combine: Combine = "logits"
    align_corners: bool = False
    align_corners_image: bool = False
    batch: int = 1

    def __post_init__(self) -> None:
        for name in ("scales", "resize", "window", "stride", "pad_value"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.scales or any(scale <= 0 for scale in self.scales):
            raise ConfigError(f"protocol.scales must be positive numbers, got {list(self.scales)}")
        for name in ("resize", "window"):
            size = getattr(self, name)
            if size is not None and (len(size) != 2 or min(size) < 1):
                raise ConfigError(f"protocol.{name} must be two positive sides (height, width), got {size}")
        if self.resize is not None and (self.long_side or self.short_side):
            raise ConfigError("protocol.resize excludes long_side and short_side: give one rule for the size")
        for name in ("long_side", "short_side", "multiple", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"protocol.{name} must be at least 1, got {getattr(self, name)}")
        for name, choices in (("edge", Edge), ("label_size", LabelSize), ("combine", Combine)):
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ConfigError(f"protocol.{name} must be one of {known}, got {getattr(self, name)!r}")
        if len(self.pad_value) != 3:
            raise ConfigError(f"protocol.pad_value must be three numbers, got {self.pad_value}")
        if self.label_size == "input" and self.scales != (1.0,):
            raise ConfigError("protocol.label_size 'input' needs the single scale 1: there is no one input size")
        self._check_stride()

    def _check_stride(self) -> None:
        if self.stride is None:
            return
        if self.window is None:
            raise ConfigError("protocol.stride is given without a window")
        if isinstance(self.stride, tuple):
            if len(self.stride) != 2 or min(self.stride) < 1:
                raise ConfigError(f"protocol.stride must be two positive numbers of pixels, got {self.stride}")
        elif not 0 < self.stride <= 1:
            raise ConfigError(f"protocol.stride as a fraction of the window must be in (0, 1], got {self.stride}")
        step = self.stride_pixels()
        if any(s > w or s < 1 for s, w in zip(step, self.window)):
            raise ConfigError(
                f"protocol.stride {step} must be between 1 and the window {self.window}: no pixel is left out"
            )

    @property
    def is_plain(self) -> bool:
        """One run on the whole picture as it is: the backend may take its own argmax of its own resized logits."""
        sized = self.resize or self.long_side or self.short_side or self.window
        return self.scales == (1.0,) and not self.flip and not sized and self.multiple == 1

    def stride_pixels(self) -> Size:
        """The windows' stride (rows, columns)."""
        if self.window is None:
            raise ConfigError("protocol.window is not set: there is no stride")
        if self.stride is None:
            return self.window
        if isinstance(self.stride, tuple):
            return self.stride
        return int(self.window[0] * self.stride), int(self.window[1] * self.stride)

    def input_size(self, height: int, width: int, scale: float = 1.0) -> Size:
        """The size a picture is resized to at this scale, before padding."""
        if self.resize is not None:
            return _rounded(self.resize[0] * scale), _rounded(self.resize[1] * scale)
        long, short = max(height, width), min(height, width)
        if self.long_side is None and self.short_side is None:
            return _rounded(height * scale), _rounded(width * scale)
        by_long = math.inf if self.long_side is None else self.long_side / long
        by_short = math.inf if self.short_side is None else self.short_side / short
        if by_long <= by_short:
            assert self.long_side is not None
            new_long = math.ceil(self.long_side * scale)
            new_short = _rounded(short * new_long / long)
        else:
            assert self.short_side is not None
            new_short = math.ceil(self.short_side * scale)
            new_long = _rounded(long * new_short / short)
        return (new_long, new_short) if height >= width else (new_short, new_long)

    def output_size(self, height: int, width: int) -> Size:
        """The size of the label map for a picture of this size; label maps of another size are to be resized to it."""
        return (height, width) if self.label_size == "original" else self.input_size(height, width)

    def to_dict(self) -> dict[str, Any]:
        """Every field in plain lists, numbers and strings; `EvaluationProtocol(**d)` gives the protocol back."""
        fields = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def windows(height: int, width: int, window: Size, stride: Size, edge: Edge = "flush") -> list[Window]:
    """The windows (slices of rows and columns) that together cover a picture, row by row from the top left.

    edge="flush": all have min(window, picture) pixels, the last of a row or column ends with the picture.
    edge="pad": all start at multiples of the stride; those at the right and lower edge may be smaller.
    """
    rows = _spans(height, window[0], stride[0], edge)
    columns = _spans(width, window[1], stride[1], edge)
    return [(row, column) for row in rows for column in columns]


def segment(image: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn) -> NDArray[np.uint8]:
    """The label map uint8 [H, W] of a normalised picture [3, H, W], at `protocol.output_size`."""
    return argmax(merged_scores(image, protocol, logits_fn))


def merged_scores(image: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn) -> ScoreMap:
    """The merged scores float32 [C, H, W] of a normalised picture [3, H, W], at `protocol.output_size`.

    With combine="probabilities" the scores sum to 1 at every pixel. Raises DataError if the picture is not float32
    [3, H, W], SegParityError if the network's logits have another shape than asked for.
    """
    if image.ndim != 3 or image.shape[0] != 3 or image.dtype != np.float32:
        raise DataError(f"the picture must be float32 [3, H, W], got {image.dtype} {list(image.shape)}")
    height, width = image.shape[1:]
    size = protocol.output_size(height, width)
    total: ScoreMap | None = None
    terms = 0
    for scale in protocol.scales:
        scaled = resize_bilinear(image, protocol.input_size(height, width, scale), protocol.align_corners_image)
        for term in _terms(scaled, protocol, logits_fn):
            terms += 1
            total = _add_resized(total, term, size, protocol)
    assert total is not None
    if protocol.combine != "exp_logits" and terms > 1:
        total /= terms
    return total


def argmax(scores: ScoreMap) -> NDArray[np.uint8]:
    """The class of the largest score, uint8 [H, W] from [C, H, W]; of equal scores the lowest class index.

    Raises SegParityError where a pixel's scores hold nan.
    """
    if scores.shape[0] > 255:
        raise DataError(f"{scores.shape[0]} classes do not fit a uint8 label map (at most 255)")
    label = np.zeros(scores.shape[1:], np.uint8)
    best = scores[0].copy()
    for index in range(1, scores.shape[0]):
        # Strictly greater: an equal score keeps the lower class. np.maximum hands nan on.
        np.putmask(label, scores[index] > best, index)
        np.maximum(best, scores[index], out=best)
    if np.isnan(best).any():
        row, column = np.argwhere(np.isnan(best))[0]
        raise SegParityError(
            f"the network's scores hold nan (first at row {row}, column {column}): check the weights, and that the "
            "picture is normalised as they need"
        )
    return label


def _terms(scaled: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn) -> Iterator[ScoreMap]:
    """What one scale adds to the sum: one score map at the input's size, or two where flips are combined later."""
    if protocol.combine != "probabilities" or not protocol.flip:
        yield _slide(scaled, protocol, logits_fn, flip=protocol.flip)
        return
    yield _slide(scaled, protocol, logits_fn, flip=False)
    mirrored = np.ascontiguousarray(scaled[:, :, ::-1])
    yield np.ascontiguousarray(_slide(mirrored, protocol, logits_fn, flip=False)[:, :, ::-1])


def _slide(scaled: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn, flip: bool) -> ScoreMap:
    """Scores [C, h, w] at the input's size: windows run (flipped too, if asked for) and averaged where they overlap."""
    height, width = scaled.shape[1:]
    if protocol.window is None:
        places, size = [(slice(0, height), slice(0, width))], (height, width)
    else:
        places = windows(height, width, protocol.window, protocol.stride_pixels(), protocol.edge)
        first = places[0]
        size = protocol.window if protocol.edge == "pad" else (first[0].stop, first[1].stop)
    size = _round_up(size[0], protocol.multiple), _round_up(size[1], protocol.multiple)
    results = _run(scaled, places, size, protocol, logits_fn, flip)
    if len(places) == 1:
        return np.ascontiguousarray(next(results))
    total: ScoreMap | None = None
    count = np.zeros((height, width), np.float32)
    for (rows, columns), scores in zip(places, results):
        if total is None:
            total = np.zeros((len(scores), height, width), np.float32)
        total[:, rows, columns] += scores
        count[rows, columns] += 1
    assert total is not None
    for plane in total:
        plane /= count
    return total


def _run(
    scaled: Image,
    places: list[Window],
    size: Size,
    protocol: EvaluationProtocol,
    logits_fn: LogitsFn,
    flip: bool,
) -> Iterator[ScoreMap]:
    """The scores of each window, at the window's size, in order; flips are merged and exp taken here."""
    jobs = [(place, mirror) for place in places for mirror in ((False, True) if flip else (False,))]
    pending: ScoreMap | None = None  # the unflipped logits, until the flipped ones arrive
    for start in range(0, len(jobs), protocol.batch):
        part = jobs[start : start + protocol.batch]
        batch = np.empty((len(part), 3, *size), np.float32)
        for target, (place, mirror) in zip(batch, part):
            _cut(scaled, place, mirror, protocol.pad_value, target)
        logits = np.asarray(logits_fn(batch, size), np.float32)
        if logits.ndim != 4 or logits.shape[0] != len(part) or logits.shape[2:] != size:
            raise SegParityError(
                f"the network's logits are {list(logits.shape)} for an input {list(batch.shape)}; "
                f"[{len(part)}, classes, {size[0]}, {size[1]}] was asked for"
            )
        for (place, mirror), scores in zip(part, logits):
            if mirror:
                scores = scores[:, :, ::-1]
            scores = scores[:, : place[0].stop - place[0].start, : place[1].stop - place[1].start]
            if flip and not mirror:
                pending = scores
                continue
            if mirror:
                assert pending is not None
                pending += scores
                scores = pending
            yield _finish(scores, protocol.combine, flip)


def _cut(scaled: Image, place: Window, mirror: bool, pad_value: tuple[float, float, float], target: Image) -> None:
    """Fill `target` [3, h, w] with a window of the picture, padded right and below, then mirrored if asked for."""
    piece = scaled[:, place[0], place[1]]
    height, width = piece.shape[1:]
    if piece.shape != target.shape:
        target[:] = np.asarray(pad_value, np.float32)[:, None, None]
    target[:, :height, :width] = piece
    if mirror:
        target[:] = target[:, :, ::-1].copy()


def _finish(scores: ScoreMap, combine: Combine, flip: bool) -> ScoreMap:
    """The sum of a window's logits and its mirror's as the protocol combines them, in place."""
    if combine == "exp_logits":
        np.minimum(scores, _LARGEST_EXPONENT, out=scores)
        np.exp(scores, out=scores)
    elif flip:
        scores *= 0.5
    return scores


def _add_resized(total: ScoreMap | None, term: ScoreMap, size: Size, protocol: EvaluationProtocol) -> ScoreMap:
    """`total` plus the term resized to `size`, in place; the first term becomes the total."""
    if protocol.combine == "probabilities":
        term = _softmax(resize_bilinear(term, size, protocol.align_corners))
    if total is None:
        return resize_bilinear(term, size, protocol.align_corners)
    scratch = np.empty(size, np.float32)  # one class at a time: the resized term would be as large as the total
    for accumulated, plane in zip(total, term):
        resize_plane(plane, scratch, protocol.align_corners)
        accumulated += scratch
    return total


def _softmax(scores: ScoreMap) -> ScoreMap:
    out = scores - scores.max(axis=0)
    np.exp(out, out=out)
    out /= out.sum(axis=0)
    return out


def _spans(side: int, window: int, stride: int, edge: Edge) -> list[slice]:
    if not 1 <= stride <= window:
        raise ConfigError(f"the stride {stride} must be between 1 and the window {window}: no pixel is left out")
    count = -(-max(side - window, 0) // stride) + 1
    starts = [index * stride for index in range(count)]
    if edge == "flush":
        starts = [max(0, min(start, side - window)) for start in starts]
    return [slice(start, min(start + window, side)) for start in starts]


def _rounded(length: float) -> int:
    return max(1, int(length + 0.5))


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
