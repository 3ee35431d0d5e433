"""The augmentations of the published repositories, by name: what `transform.preset` sets.

Numbers from the repositories' own code and configurations; what differs from them is said beside each. Not taken over:
padding label maps with class 0 (MXNetSeg, GluonCV), which teaches that black is the first class: 255 here.
"""

from __future__ import annotations

from typing import Any

_PHOTOMETRIC = {"brightness": 32 / 255, "contrast": 0.5, "saturation": 0.5, "hue": 0.1, "jitter_probability": 0.5}
_TENTHS = [round(0.1 * tenths, 1) for tenths in range(7, 22)]  # 0.7 + 0 … 14 tenths


def _gluon(base: int, crop: int) -> dict[str, Any]:
    """GluonCV's SegmentationDataset: the long side from half to twice the base, blur of 0 to 1 pixels."""
    return {
        "long_side": [base // 2, 2 * base],
        "crop": [crop, crop],
        "flip": 0.5,
        "blur": 0.5,
        "blur_sigma": [0.0, 1.0],
        "normalize": "imagenet",
    }


def _semsegpaddle(base: int, crop: int) -> dict[str, Any]:
    """Short side 0.75 to 2 times the base; padding on all sides; each of four enhancements, 0.75 to 1.25, p 0.3."""
    return {
        "short_side": [base * 3 // 4, 2 * base],
        "crop": [crop, crop],
        "pad": "centre",
        "flip": 0.5,
        "blur": 0.3,
        "blur_sigma": [0.0, 1.0],
        "enhance": 0.25,
        "enhance_probability": 0.3,
        "normalize": "imagenet",
    }


def _dabnet(resize: list[int], crop: list[int]) -> dict[str, Any]:
    """mmsegmentation's pipeline: scale 0.5 to 2 of a size that the picture fits into, photometric distortion."""
    return {
        "resize": resize,
        "keep_ratio": True,
        "scale": [0.5, 2.0],
        "crop": crop,
        "cat_max_ratio": 0.75,
        "flip": 0.5,
        **_PHOTOMETRIC,
        "normalize": "imagenet",
    }


def _espnet(size: list[int], inset: int) -> dict[str, Any]:
    """One of ESPNet's sets of batches: a fixed size, a border cut off, a mirror upside down (cv2.flip(…, 0))."""
    return {
        "resize": size,
        "scale": [1.0, 1.0],
        "inset": inset,
        "crop": size,
        "flip": 0.0,
        "flip_vertical": 0.5,
        "normalize": "espnet_cityscapes",
    }


PRESETS: dict[str, dict[str, Any]] = {
    # GALD-Net and Fast_Seg: one of fifteen scales; nothing but that and the mirror. Crop 833 there.
    "galdnet": {"scales": _TENTHS, "crop": [833, 833], "flip": 0.5, "normalize": "bgr_mean"},
    "fast_seg": {"scales": _TENTHS, "crop": [833, 833], "flip": 0.5, "normalize": "imagenet"},
    "dabnet": _dabnet([1024, 2048], [1024, 1024]),
    "dabnet_coco": _dabnet([512, 2048], [512, 512]),
    "dabnet_camvid": _dabnet([768, 960], [768, 960]),
    "espnet": _espnet([512, 1024], 32),
    "espnet_1536": _espnet([768, 1536], 100),
    "espnet_1280": _espnet([720, 1280], 100),
    "espnet_768": _espnet([384, 768], 32),
    "mxnetseg": _gluon(520, 480),
    "mxnetseg_cityscapes": _gluon(2048, 768),
    "semsegpaddle_cityscapes": _semsegpaddle(1024, 768),
    "semsegpaddle_context": _semsegpaddle(520, 520),
}
