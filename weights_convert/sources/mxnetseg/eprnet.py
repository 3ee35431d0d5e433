"""EPRNet, whole and light, and its classifier on ImageNet."""

from __future__ import annotations

from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_MODULE = r"layer(?P<stage>[123])\.(?P<i>\d+)\."
_TARGET = "backbone.layer{stage}.{i}."

ENCODER = (
    module(r"conv", "backbone.stem.conv"),
    module(r"bn", "backbone.stem.bn"),
    module(r"act\.act", "backbone.stem.act"),
    module(_MODULE + r"pyramid\.concurrent\.(?P<j>[012])\.(?P<part>conv|bn)", _TARGET + "pyramid.branches.{j}.{part}"),
    module(_MODULE + r"pyramid\.concurrent\.(?P<j>[012])\.act\.act", _TARGET + "pyramid.branches.{j}.act"),
    module(_MODULE + r"pyramid\.concurrent\.3\.(?P<part>conv|bn)", _TARGET + "pyramid.point.{part}"),
    module(_MODULE + r"pyramid\.concurrent\.3\.act\.act", _TARGET + "pyramid.point.act"),
    module(_MODULE + r"pyramid\.conv1x1\.(?P<part>conv|bn)", _TARGET + "pyramid.fuse.{part}"),
    module(_MODULE + r"pyramid\.conv1x1\.act\.act", _TARGET + "pyramid.fuse.act"),
    module(_MODULE + r"compact\.(?P<part>conv|bn)", _TARGET + "compact.{part}"),
    module(_MODULE + r"skip", _TARGET + "skip.conv"),
    module(_MODULE + r"skip_bn", _TARGET + "skip.bn"),
    module(_MODULE + r"act\.act", _TARGET + "act"),
)

EPRNET = RuleLayout(
    name="EPRNet",
    presets=("eprnet_mxnetseg", "eprnet_light_mxnetseg"),
    rules=(
        *ENCODER,
        module(r"head\.conv1\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.conv1\.act\.act", "head.block.act"),
        module(r"head\.conv2", "head.classifier"),
    ),
    leaves=MXNET_LEAVES,
)

CLASSIFIER = RuleLayout(
    name="EPRNet on ImageNet",
    presets=("eprnet_classifier", "eprnet_light_classifier"),
    rules=(*ENCODER, module("linear", "head.classifier")),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (EPRNET, CLASSIFIER)
