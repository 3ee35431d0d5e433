"""ResNets for classification: v1b with a stem of 7x7; v1s, on which its segmentation networks stand, of three 3x3."""

from __future__ import annotations

from weights_convert.sources.resnet_backbones import deep_stem, plain_stem
from weights_convert.sources.rules import MXNET_LEAVES

LAYOUTS = (plain_stem("resnet_v1b", MXNET_LEAVES), deep_stem("resnet_v1s", MXNET_LEAVES))
