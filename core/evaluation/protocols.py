"""The evaluation protocols of the originals by name: `eval --protocol mxnetseg-ms --protocol mmseg-whole`.

Each is what the original's evaluation script does, as far as an EvaluationProtocol says it; what is known to be wrong
in an original is an option that is off (`faults`), and `eval` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.data.normalization import Normalize
from core.errors import ConfigError
from core.evaluation.protocol import EvaluationProtocol
from core.schema import nearest

FLIP_ADDS = "flip_adds: where one window holds the picture, flipped logits are added and not averaged"
Settings = dict[str, Any]


@dataclass(frozen=True)
class Circumstances:
    """What an original's script takes its sizes from: the data set's name, and how pictures are normalised."""

    dataset: str
    normalize: Normalize

    @property
    def base(self) -> int:
        """The long side of a picture at scale 1."""
        return {"cityscapes": 2048, "camvid": 960}.get(self.dataset, 520)

    @property
    def crop(self) -> int:
        """The window's side in MXNetSeg."""
        return {"cityscapes": 768, "camvid": 720}.get(self.dataset, 480)

    @property
    def black(self) -> list[float]:
        """A black pixel, normalised."""
        rule = self.normalize
        return [-mean / std * rule.scale_after for mean, std in zip(rule.mean, rule.std)]


@dataclass(frozen=True)
class NamedProtocol:
    """about: what it is, in words. settings: of an EvaluationProtocol. absent: of core.config.MetricsConfig.

    faults: of the original, which are off: `evaluation.<option>=true` turns one on, where it is an option at all.
    """

    about: str
    settings: Callable[[Circumstances], Settings]
    absent: str = "skip"
    faults: tuple[str, ...] = field(default_factory=tuple)


def _steps(first: float, last: float, step: float) -> list[float]:
    return [round(first + i * step, 4) for i in range(round((last - first) / step) + 1)]


def _mxnetseg(at: Circumstances, scales: list[float], flip: bool) -> Settings:
    return {
        "scales": scales,
        "flip": flip,
        "long_side": at.base,
        "window": [at.crop, at.crop],
        "stride": 2 / 3,
        "edge": "pad",
        "pad_value": at.black,
        "combine": "exp_logits",
        "align_corners": True,
        "align_corners_image": True,
    }


def _mxnetseg_scales(at: Circumstances) -> list[float]:
    return _steps(0.75, 2.25, 0.25) if at.dataset in ("cityscapes", "camvid") else _steps(0.5, 1.75, 0.25)


def _semsegpaddle(at: Circumstances, scales: list[float], flip: bool) -> Settings:
    base, crop = (2048, 1024) if at.dataset == "cityscapes" else (520, 520)
    return {
        "scales": scales,
        "flip": flip,
        "long_side": base,
        "window": [crop, crop],
        "stride": 0.5,
        "edge": "pad",
        "pad_value": at.black,
        "align_corners": True,
        "align_corners_image": True,
    }


def _mmseg(scales: list[float], flip: bool, window: int | None = None) -> Settings:
    """Softmax at the picture's size is averaged; windows' logits before."""
    settings: Settings = {"scales": scales, "flip": flip, "combine": "probabilities"}
    return settings | ({"window": [window, window], "stride": 2 / 3, "edge": "flush"} if window else {})


def _whole(**settings: Any) -> Callable[[Circumstances], Settings]:
    return lambda at: dict(settings)


MULTI_SCALE = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]  # mmsegmentation's and PaddleSeg's
SEMSEGPADDLE_SCALES = [0.5, 0.75, 1, 1.25, 1.35, 1.5, 1.75, 2, 2.2]

PROTOCOLS: dict[str, NamedProtocol] = {
    "mxnetseg": NamedProtocol(
        "MXNetSeg, one scale: windows of the training crop, exp(logits)",
        lambda at: _mxnetseg(at, [1.0], False),
        absent="zero",
    ),
    "mxnetseg-ms": NamedProtocol(
        "MXNetSeg --ms: seven or six scales, mirrored, exp(logits + mirrored) summed over scales",
        lambda at: _mxnetseg(at, _mxnetseg_scales(at), True),
        absent="zero",
    ),
    "semsegpaddle": NamedProtocol(
        "SemSegPaddle, one scale: windows of 1024 (520), logits averaged", lambda at: _semsegpaddle(at, [1.0], False)
    ),
    "semsegpaddle-ms": NamedProtocol(
        "SemSegPaddle, nine scales, mirrored, logits summed",
        lambda at: _semsegpaddle(at, [float(scale) for scale in SEMSEGPADDLE_SCALES], True),
        faults=(FLIP_ADDS,),
    ),
    "dabnet-cityscapes": NamedProtocol("DABNet on Cityscapes: the whole picture", _whole()),
    "dabnet-coco": NamedProtocol("DABNet on COCO-Stuff: stretched to 640x640", _whole(resize=[640, 640])),
    "dabnet-camvid": NamedProtocol("DABNet on CamVid: stretched to 768x960", _whole(resize=[768, 960])),
    "galdnet": NamedProtocol(
        "GALD-Net: windows of the training crop 833, two thirds apart, probabilities",
        _whole(window=[833, 833], stride=2 / 3, combine="probabilities", align_corners=True),
    ),
    "fast_seg": NamedProtocol("Fast_Seg: the whole picture, aligned corners", _whole(align_corners=True)),
    "espnet": NamedProtocol(
        "ESPNet: Cityscapes at 512x1024, other data as it is",
        lambda at: {"resize": [512, 1024]} if at.dataset == "cityscapes" else {},
    ),
    "mmseg-whole": NamedProtocol("mmsegmentation, test_cfg.mode=whole", lambda at: _mmseg([1.0], False)),
    "mmseg-slide": NamedProtocol(
        "mmsegmentation, test_cfg.mode=slide: windows of 769 (Cityscapes) or 512, two thirds apart",
        lambda at: _mmseg([1.0], False, 769 if at.dataset == "cityscapes" else 512),
    ),
    "mmseg-ms": NamedProtocol("mmsegmentation, aug_test: six scales, mirrored", lambda at: _mmseg(MULTI_SCALE, True)),
    "paddleseg": NamedProtocol("PaddleSeg val: the whole picture", _whole()),
    "paddleseg-ms": NamedProtocol(
        "PaddleSeg val --aug_eval: six scales, mirrored, probabilities", lambda at: _mmseg(MULTI_SCALE, True)
    ),
    "paddleseg-slide": NamedProtocol(
        "PaddleSeg val --is_slide: windows of 1024 (Cityscapes) or 512, two thirds apart",
        lambda at: _mmseg([1.0], False, 1024 if at.dataset == "cityscapes" else 512) | {"combine": "logits"},
    ),
    "gluoncv": NamedProtocol(
        "GluonCV: six scales, mirrored, windows of 480 (768), exp(logits + mirrored) summed",
        lambda at: _mxnetseg(at, _steps(0.5, 1.75, 0.25), True),
    ),
}


def named_protocol(name: str, at: Circumstances) -> EvaluationProtocol:
    """Raises ConfigError for a name that is not known."""
    if name not in PROTOCOLS:
        raise ConfigError(
            f"--protocol {name}: unknown.{nearest(name, sorted(PROTOCOLS))} Known are {', '.join(sorted(PROTOCOLS))}, "
            "and `configured`"
        )
    return EvaluationProtocol(**PROTOCOLS[name].settings(at))


def with_metrics(name: str, metrics: Any) -> Any:
    """The settings of the metrics as the named original has them."""
    return dataclasses.replace(metrics, absent=PROTOCOLS[name].absent)
