"""Origins of weights: a package each, with a module for every family that holds the explicit map from its names to a
preset's. Registered in `SOURCES`; the modules of a package register themselves.

GALD-Net and Fast_Seg share PSPNet, the authors' ESPNet and Fast_Seg share ESPNet: the same names, the same network, the
same maps. Such a file belongs to both, and the first of `SOURCES` is named as its origin; that is no ambiguity, since
the canonical state is the same.
"""

from __future__ import annotations

from core.errors import WeightsError
from core.schema import nearest
from weights_convert.sources import (
    dabnet,
    efficientnet_pytorch,
    espnet,
    fast_seg,
    gald_net,
    gluoncv,
    mmseg,
    mxnetseg,
    paddle_vision,
    paddleclas,
    paddleseg,
    pytorchcv,
    segparity,
    semsegpaddle,
    smp,
    tensorflow,
    timm,
    torchvision,
)
from weights_convert.sources.rules import Assignment, Layout, Origin, Recording, Source

__all__ = ["RECORDED", "SOURCES", "Assignment", "Layout", "Origin", "Recording", "Source", "find_source"]

SOURCES: dict[str, Source] = {
    module.SOURCE.name: module.SOURCE
    for module in (
        segparity,
        gald_net,
        espnet,
        fast_seg,
        semsegpaddle,
        mxnetseg,
        mmseg,
        dabnet,
        paddleseg,
        torchvision,
        smp,
        efficientnet_pytorch,
        timm,
        paddle_vision,
        paddleclas,
        gluoncv,
        pytorchcv,
        tensorflow,
    )
}
# What golden files call an origin -> the origin.
RECORDED: dict[str, Source] = {source.recording.source: source for source in SOURCES.values() if source.recording}


def find_source(name: str) -> Source:
    """Raises WeightsError for an unknown origin, with the nearest known one."""
    if name not in SOURCES:
        raise WeightsError(f"unknown origin {name!r}.{nearest(name, SOURCES)}")
    return SOURCES[name]
