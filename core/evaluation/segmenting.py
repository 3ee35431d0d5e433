"""Applying an evaluation protocol to one picture: numpy and OpenCV, the same for every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.arch import Spec
from core.backend import Predictor
from core.errors import DataError, SegParityError
from core.evaluation.protocol import Combine, EvaluationProtocol, Size, Window, windows
from core.resize import places, resize_bilinear, resize_plane, stretch_columns

Image = NDArray[np.float32]  # [3, H, W], normalised
ScoreMap = NDArray[np.float32]  # [C, H, W]

# (batch [N, 3, h, w], size (h, w)) -> the main head's logits resized to that size, [N, C, h, w] float32: a new array
# each time (the runner works in it).
LogitsFn = Callable[[NDArray[np.float32], Size], NDArray[np.float32]]

_ROWS = 16  # resized and compared at a time
_LARGEST_EXPONENT = 80.0  # exp(80) times any sum of windows and scales is still a float32; inf would poison the resize


def label_map(image: Image, predictor: Predictor, protocol: EvaluationProtocol, spec: Spec) -> NDArray[np.uint8]:
    """The predicted classes of a normalised picture [3, H, W], uint8 at the protocol's output size.

    Raises SpecError for a picture that does not fit the network.
    """
    height, width = image.shape[1:]
    protocol.check_size(height, width, spec)
    if protocol.is_plain and protocol.padded(height, width, spec) == (height, width):
        return predictor.labels(image[None], (height, width))[0]
    return segment(image, protocol, predictor.logits, spec)


def segment(
    image: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn, spec: Spec | None = None
) -> NDArray[np.uint8]:
    """The label map uint8 [H, W] of a normalised picture [3, H, W], at `protocol.output_size`.

    spec: inputs are padded to what its network takes, unless the protocol has a `multiple`.
    """
    return argmax(merged_scores(image, protocol, logits_fn, spec))


def merged_scores(
    image: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn, spec: Spec | None = None
) -> ScoreMap:
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
        for term in _terms(scaled, protocol, logits_fn, spec):
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
    _check_scores(best)
    return label


def _check_scores(best: NDArray[np.float32], top: int = 0) -> None:
    """Raises SegParityError where the largest scores [h, W], rows from `top` on, hold nan."""
    if np.isnan(best).any():
        row, column = np.argwhere(np.isnan(best))[0]
        raise SegParityError(
            f"the network's scores hold nan (first at row {top + row}, column {column}): check the weights, and that "
            "the picture is normalised as they need"
        )


def resized_argmax(logits: ScoreMap, size: Size, align_corners: bool) -> NDArray[np.uint8]:
    """The class of the largest logit at `size`, uint8 [H, W], of a head's logits [C, h, w]; the lowest of equal ones.

    The logits are resized a few rows at a time: [C, H, W] never stands in memory, and what is at work in the cache.
    Raises SegParityError where they hold nan.
    """
    if logits.shape[1:] == tuple(size):
        return argmax(logits)
    wide = stretch_columns(logits, size[1], align_corners)  # [C, h, W]
    low, high, share = places(logits.shape[1], size[0], align_corners)
    label = np.zeros(size, np.uint8)
    for top in range(0, size[0], _ROWS):
        part = slice(top, top + _ROWS)
        above, below, fraction = low[part], high[part], share[part, None]
        best = np.full((len(above), size[1]), -np.inf, np.float32)
        for index, plane in enumerate(wide):
            scores = plane.take(below, axis=0)
            scores -= plane.take(above, axis=0)
            scores *= fraction
            scores += plane.take(above, axis=0)
            np.putmask(label[part], scores > best, index)
            np.maximum(best, scores, out=best)
        _check_scores(best, top)
    return label


def _terms(scaled: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn, spec: Spec | None) -> Iterator[ScoreMap]:
    """What one scale adds to the sum: one score map at the input's size, or two where flips are combined later."""
    if protocol.combine != "probabilities" or not protocol.flip:
        yield _slide(scaled, protocol, logits_fn, spec, flip=protocol.flip)
        return
    yield _slide(scaled, protocol, logits_fn, spec, flip=False)
    mirrored = np.ascontiguousarray(scaled[:, :, ::-1])
    yield np.ascontiguousarray(_slide(mirrored, protocol, logits_fn, spec, flip=False)[:, :, ::-1])


def _slide(scaled: Image, protocol: EvaluationProtocol, logits_fn: LogitsFn, spec: Spec | None, flip: bool) -> ScoreMap:
    """Scores [C, h, w] at the input's size: windows run (flipped too, if asked for) and averaged where they overlap."""
    height, width = scaled.shape[1:]
    places = [(slice(0, height), slice(0, width))]
    if protocol.window is not None:
        places = windows(height, width, protocol.window, protocol.stride_pixels(), protocol.edge)
    size = protocol.network_size(height, width, spec)
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
            yield _finish(scores, protocol.combine, flip and not (protocol.flip_adds and len(places) == 1))


def _cut(scaled: Image, place: Window, mirror: bool, pad_value: tuple[float, float, float], target: Image) -> None:
    """Fill `target` [3, h, w] with a window of the picture, padded right and below, then mirrored if asked for."""
    piece = scaled[:, place[0], place[1]]
    height, width = piece.shape[1:]
    if piece.shape != target.shape:
        target[:] = np.asarray(pad_value, np.float32)[:, None, None]
    target[:, :height, :width] = piece
    if mirror:
        target[:] = target[:, :, ::-1].copy()


def _finish(scores: ScoreMap, combine: Combine, halve: bool) -> ScoreMap:
    """The sum of a window's logits and its mirror's as the protocol combines them, in place; `halve`: to their mean."""
    if combine == "exp_logits":
        np.minimum(scores, _LARGEST_EXPONENT, out=scores)
        np.exp(scores, out=scores)
    elif halve:
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
