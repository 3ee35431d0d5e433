"""The evaluation protocol as a value; `core.evaluation.segmenting` applies it to one picture.

The same weights are reported with mIoUs several points apart because evaluation differs: sizes, scales, flips, windows,
padding, what is averaged. Here all of it stands in an `EvaluationProtocol`. A backend brings its network, and its
resize of the logits to the input's size (`core.backend.Predictor`).

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
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from core.arch import Spec
from core.errors import ConfigError, SpecError
from core.ranges import Adjustable, Checked, Length, Range, When

Pixels = Annotated[int, Range(1)]
Size = tuple[Pixels, Pixels]  # (height, width)
Window = tuple[slice, slice]  # rows, columns

Edge = Literal["flush", "pad"]
Combine = Literal["logits", "probabilities", "exp_logits"]
_Number = Annotated[float, Range()]
LabelSize = Literal["original", "input"]


@dataclass(frozen=True)
class EvaluationProtocol(Checked):
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
        None: until the network takes them.
    pad_value: what padding holds, per channel, in normalised units: 0 is the mean colour, -mean/std black.
    label_size: "original" scores at the picture's size; "input" at the network's input size, the label map being
        resized to it (nearest): cheaper, and not comparable with published figures. Needs scales == (1.0,).
    combine: see the module's docstring.
    align_corners: how logits at the input's size are resized to the picture. (From the head's resolution to the input's
        size they are resized by the backend, as the architecture's spec says.)
    align_corners_image: the same for the picture's resize.
    flip_adds: a fault of SemSegPaddle: where one window holds the picture, the mirrored logits are added and not
        averaged, so that such scales count twice.
    batch: how many windows (mirrored ones count) are run at once: faster for more memory, the same but for rounding.
    """

    scales: Annotated[tuple[Annotated[float, Range(above=0)], ...], Length(1)] = (1.0,)
    flip: bool = False
    resize: Size | None = None
    long_side: Pixels | None = None
    short_side: Pixels | None = None
    window: Size | None = None
    stride: Size | Annotated[float, Range(above=0, high=1)] | None = None
    edge: Annotated[Edge, When("window")] = "flush"
    multiple: Pixels | None = None
    pad_value: tuple[_Number, _Number, _Number] = (0.0, 0.0, 0.0)
    label_size: LabelSize = "original"
    combine: Combine = "logits"
    align_corners: bool = False
    align_corners_image: bool = False
    flip_adds: Annotated[bool, When("flip", True)] = False
    batch: Annotated[int, Range(1), Adjustable()] = 1

    def __post_init__(self) -> None:
        for name in ("scales", "resize", "window", "stride", "pad_value"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.resize is not None and (self.long_side or self.short_side):
            raise ConfigError("protocol.resize excludes long_side and short_side: give one rule for the size")
        if self.label_size == "input" and self.scales != (1.0,):
            raise ConfigError("protocol.label_size 'input' needs the single scale 1: there is no one input size")
        self._check_stride()

    def _check_stride(self) -> None:
        if self.stride is None:
            return
        if self.window is None:
            raise ConfigError("protocol.stride is given without a window")
        step = self.stride_pixels()
        if any(s > w or s < 1 for s, w in zip(step, self.window)):
            raise ConfigError(
                f"protocol.stride {step} must be between 1 and the window {self.window}: no pixel is left out"
            )

    @property
    def is_plain(self) -> bool:
        """One run on the whole picture, if it needs no padding: the backend may take its own argmax of its logits."""
        sized = self.resize or self.long_side or self.short_side or self.window
        return self.scales == (1.0,) and not self.flip and not sized

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

    def padded(self, height: int, width: int, spec: Spec | None = None) -> Size:
        """What an input is padded to, right and below, for the network of `spec`."""
        if self.multiple is not None:
            return _round_up(height, self.multiple), _round_up(width, self.multiple)
        if spec is None:
            return height, width
        return spec.size_at_least(height, width)

    def network_size(self, height: int, width: int, spec: Spec | None = None) -> Size:
        """What the network of `spec` gets of a picture that was resized to (height, width): all of it, or a window."""
        if self.window is None:
            return self.padded(height, width, spec)
        if self.edge == "pad":
            return self.padded(*self.window, spec)
        return self.padded(min(height, self.window[0]), min(width, self.window[1]), spec)

    def check_size(self, height: int, width: int, spec: Spec) -> None:
        """Raises SpecError where a picture of that size would not fit the network of `spec`."""
        for scale in self.scales:
            size = self.network_size(*self.input_size(height, width, scale), spec)
            try:
                spec.check_input(*size)
            except SpecError as error:
                raise SpecError(
                    f"a picture of {height}x{width} reaches the network as {size[0]}x{size[1]}: {error}. Leave "
                    "evaluation.multiple empty, or change evaluation.resize, window or scales"
                ) from None

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
