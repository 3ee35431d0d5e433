"""Rules several origins share: DenseNets as torchvision names them; timm does the same."""

from __future__ import annotations

from weights_convert.sources.rules import COUNTER, Drop, RuleLayout, module

# The oldest published files have `norm.1` where later ones have `norm1`.
_UNIT = r"features\.denseblock(?P<stage>[1234])\.denselayer(?P<block>\d+)\."
_TARGET = "backbone.layer{stage}.blocks.{block-1}."
_TRANSITION = r"features\.transition(?P<before>[123])\."
CLASSIFIER = Drop(r"classifier\.(weight|bias)", "ImageNet classifier")

DENSENET = RuleLayout(
    name="DenseNet",
    presets=(),
    rules=(
        module(r"features\.conv0", "backbone.stem.conv"),
        module(r"features\.norm0", "backbone.stem.bn"),
        module(_UNIT + r"norm\.?(?P<i>[12])", _TARGET + "norm{i}.bn"),
        module(_UNIT + r"conv\.?(?P<i>[12])", _TARGET + "conv{i}"),
        module(_TRANSITION + "norm", "backbone.layer{before+1}.transition.norm.bn"),
        module(_TRANSITION + "conv", "backbone.layer{before+1}.transition.conv"),
        module(r"features\.norm5", "backbone.norm.bn"),
    ),
    dropped=(COUNTER, CLASSIFIER),
    backbones=("densenet",),
)
