"""What the shapes of canonical tensors tell about a network: classes, depths, ESPNet's wiring, ViT's position table.

What they do not show (dilations, the number of attention heads, epsilons, …) is the preset's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from core.arch import Spec
from core.arch.backbones.resnet import BLOCKS, ResNetSpec
from core.arch.families.dgcnet import DGCNetSpec
from core.arch.families.espnet import ESPNetSpec
from core.arch.families.pspnet import PSPNetSpec
from core.arch.families.setr import SETRSpec

Shapes = Mapping[str, tuple[int, ...]]
CLASSIFIERS = ("head.classifier.weight", "head.classifier.conv.weight", "encoder.classifier.weight")


def infer_classes(shapes: Shapes) -> int | None:
    """Number of outputs of the main classifier; None if it is not there."""
    for name in CLASSIFIERS:
        if shapes.get(name):
            return shapes[name][0]
    return None


def infer_overrides(spec: Spec, shapes: Shapes) -> dict[str, Any]:
    """Fields of `spec` (as overrides of core.arch.build) that the shapes show to be different."""
    overrides: dict[str, Any] = {}
    if spec.auxiliary and not any(name.startswith("auxiliary.") for name in shapes):
        overrides["auxiliary"] = []
    if isinstance(spec, ESPNetSpec):
        overrides |= _espnet(spec, shapes)
    if isinstance(spec, SETRSpec):
        overrides |= _setr(spec, shapes)
    if isinstance(spec, (PSPNetSpec, DGCNetSpec)):
        overrides |= _resnet(spec.backbone, shapes)
    return overrides


def _resnet(spec: ResNetSpec, shapes: Shapes) -> dict[str, Any]:
    """Depth, from the number of blocks; only within the deep ones, since the shallow have other blocks and heads."""
    blocks = tuple(_count(shapes, rf"backbone\.layer{stage}\.(\d+)\.conv3\.") for stage in (1, 2, 3, 4))
    depth = next((depth for depth, counts in BLOCKS.items() if counts == blocks and depth >= 50), None)
    return {} if depth is None or depth == spec.depth or not spec.bottleneck else {"backbone": {"depth": depth}}


def _count(shapes: Shapes, pattern: str) -> int:
    """How many numbers the pattern's group takes among the names."""
    return len({found[1] for name in shapes if (found := re.match(pattern, name))})


def _espnet(spec: ESPNetSpec, shapes: Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, level in (("p", 2), ("q", 3)):
        count = _count(shapes, rf"encoder\.level{level}\.(\d+)\.")
        if count and count != getattr(spec, field):
            found[field] = count
    decoder = any(name.startswith("decoder.") for name in shapes)
    if decoder != spec.decoder:
        found["decoder"] = decoder
    merge = shapes.get("decoder.merge1.conv.weight", ())
    if len(merge) == 4:
        skips = {spec.widths[0]: "level1", spec.level1_channels: "level1_image"}
        skip = skips.get(merge[1] - merge[0])
        if skip is not None and skip != spec.last_skip:
            found["last_skip"] = skip
    return found


def _setr(spec: SETRSpec, shapes: Shapes) -> dict[str, Any]:
    table = shapes.get("backbone.pos_embed", ())
    if len(table) != 3:
        return {}
    places = table[1] - (spec.backbone.class_token != "none")
    rows, columns = spec.backbone.grid
    side = math.isqrt(max(places, 0))
    if places == rows * columns or side * side != places or side == 0:
        return {}
    size = side * spec.backbone.patch  # the grid of published tables is square
    return {"backbone": {"image_size": [size, size]}}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings put together; `changes` wins."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
