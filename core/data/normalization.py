"""How pictures are brought to the scale a network was trained on, by name or written out, and what weights say of it.

The same weights under another normalisation score a fraction of what they can, and nothing fails. So weights carry
theirs (a checkpoint in its metadata, published files through their origin), a configuration that leaves
`transform.normalize` at `auto` takes it from the weights it loads, and one that says otherwise than they do is told.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from core.errors import ConfigError, DataError
from core.ranges import Checked, Range
from core.schema import convert, to_plain

Number = Annotated[float, Range()]
Positive = Annotated[float, Range(above=0)]

AUTO = "auto"
WITHOUT_WEIGHTS = "imagenet"  # what `auto` is where no weights say anything


@dataclass(frozen=True)
class Normalize(Checked):
    """y = (x * scale - mean) / std * scale_after per channel, for x in 0..255; channels leave in `channel_order`.

    Args:
        mean, std: three values each, in `channel_order`.
        channel_order: "rgb" or "bgr".
        scale: applied before the mean is taken off, 1/255 for constants on the scale 0..1.
        scale_after: applied last.
    """

    mean: tuple[Number, Number, Number]
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = 1.0
    scale_after: Positive = 1.0

    def __call__(self, image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """[H, W, 3] in RGB, uint8 or float32 -> float32 [3, H, W], C-contiguous, or written to `out`."""
        out = np.empty((3, *image.shape[:2]), np.float32) if out is None else out
        for channel, (source, table) in enumerate(zip(self.channels(), self.tables())):
            plane = image[:, :, source]
            if plane.dtype == np.uint8:
                np.take(table, plane, out=out[channel], mode="clip")  # "raise" would go through a buffer
            else:
                out[channel] = self._apply(plane.astype(np.float64), channel)
        return out

    def channels(self) -> np.ndarray:
        """int64 [3]: the RGB channel that each channel of the result is made of."""
        return np.arange(3) if self.channel_order == "rgb" else np.arange(3)[::-1].copy()

    def tables(self) -> np.ndarray:
        """float32 [3, 256]: what each of the 256 values becomes; computed in float64, rounded once."""
        return _tables(self)

    def undo(self, array: np.ndarray) -> np.ndarray:
        """float32 [3, H, W] -> uint8 [H, W, 3] in RGB, for showing what a network was given."""
        planes = [
            (array[c].astype(np.float64) / self.scale_after * self.std[c] + self.mean[c]) / self.scale for c in range(3)
        ]
        if self.channel_order == "bgr":
            planes.reverse()
        return np.clip(np.rint(np.stack(planes, axis=-1)), 0, 255).astype(np.uint8)

    def equals(self, other: Normalize) -> bool:
        """Whether the two give the same values, up to the digits that published constants are rounded to."""
        ends = np.array([0.0, 255.0])
        pairs = [(self._apply(ends, channel), other._apply(ends, channel)) for channel in range(3)]
        return self.channel_order == other.channel_order and all(
            bool(np.abs(a - b).max() <= 1e-3 * np.abs(a).max()) for a, b in pairs
        )

    def _apply(self, values: np.ndarray, channel: int) -> np.ndarray:
        return (values * self.scale - self.mean[channel]) / self.std[channel] * self.scale_after


@functools.lru_cache(maxsize=16)
def _tables(normalize: Normalize) -> np.ndarray:
    tables = np.stack([normalize._apply(np.arange(256), channel) for channel in range(3)]).astype(np.float32)
    tables.setflags(write=False)
    return tables


NORMALIZATIONS: dict[str, Normalize] = {
    # torchvision's ImageNet weights, and most of what followed
    "imagenet": Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb", scale=1 / 255),
    # Caffe-style: the mean of ImageNet taken off, nothing else (GALD-Net, Fast_Seg)
    "bgr_mean": Normalize((104.00698793, 116.66876762, 122.67891434), channel_order="bgr"),
    # ESPNet's published weights: its data loader divides by 255 after the deviation
    "espnet_camvid": Normalize(
        (110.33102643430219, 108.40886315470783, 105.03319368755685),
        (72.12571015416249, 72.69074533734523, 69.90434816160945),
        "bgr",
        scale_after=1 / 255,
    ),
    "espnet_cityscapes": Normalize(
        (72.3923111, 82.90893555, 73.15840149), (45.3192215, 46.15289307, 44.91483307), "bgr", scale_after=1 / 255
    ),
    # PaddleSeg's default: 0..255 to -1..1
    "half": Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "rgb", scale=1 / 255),
    # TensorFlow's networks of 8 bits: 0..255 to -1..127/128
    "tensorflow_8bit": Normalize((128.0, 128.0, 128.0), (128.0, 128.0, 128.0), "rgb"),
}


def find_normalization(normalize: str | Normalize) -> Normalize:
    """The one of this name, or the argument itself if it is a `Normalize`; `auto` is the one without weights."""
    if isinstance(normalize, Normalize):
        return normalize
    name = WITHOUT_WEIGHTS if normalize == AUTO else normalize
    if name not in NORMALIZATIONS:
        raise DataError(f"there is no normalisation {name!r} (there are: {AUTO}, {', '.join(NORMALIZATIONS)})")
    return NORMALIZATIONS[name]


def settle(normalize: str | Normalize, of_weights: str | Normalize | None) -> str | Normalize:
    """A configuration's normalisation with `auto` replaced by that of the weights, if they tell theirs."""
    return (of_weights or WITHOUT_WEIGHTS) if normalize == AUTO else normalize


def disagreement(normalize: str | Normalize, of_weights: str | Normalize | None, weights: object) -> str | None:
    """A warning where the configuration's normalisation is not that of the weights, which `weights` names."""
    if of_weights is None or find_normalization(normalize).equals(find_normalization(of_weights)):
        return None
    return (
        f"WARNING: {weights}: trained on pictures normalised as {describe(of_weights)}, but transform.normalize says "
        f"{describe(normalize)}: expect scores far below what the weights can; leave transform.normalize out to take "
        "it from the weights"
    )


def describe(normalize: str | Normalize) -> str:
    """On one line: the name, or what is written out."""
    named = [name for name, known in NORMALIZATIONS.items() if known == normalize]
    if isinstance(normalize, str) or named:
        return normalize if isinstance(normalize, str) else named[0]
    return json.dumps(to_plain(normalize))


def read_normalization(text: str | None) -> str | Normalize | None:
    """What a weight file's metadata says: a name, or a `Normalize` as JSON; None if it says nothing known here."""
    try:
        value: Any = json.loads(text or "null")
    except json.JSONDecodeError:
        value = text
    if isinstance(value, str):
        return value if value in NORMALIZATIONS else None
    try:
        return None if value is None else convert(value, Normalize, "metadata", "normalization")
    except ConfigError:
        return None
