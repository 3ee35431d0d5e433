"""SeENet on GluonCV's resnet_v1s."""

from __future__ import annotations

from weights_convert.sources.mxnetseg.backbones import IMAGENET_CLASSIFIER, RESNET_V1S
from weights_convert.sources.rules import MXNET_LEAVES, RuleLayout, module

_BRANCH = r"head\.seemc(?P<stage>[234])\.branch(?P<i>\d)"
_TARGET = "enhance.{stage-2}.branches.{i-1}"

SEENET = RuleLayout(
    name="SeENet on GluonCV's resnet_v1s",
    presets=("seenet_resnet50_mxnetseg", "seenet_resnet101_mxnetseg"),
    rules=(
        *RESNET_V1S,
        module(_BRANCH + r"\.0\.(?P<part>conv|bn)", _TARGET + ".reduce.{part}"),
        module(_BRANCH + r"\.1\.conv_l(?P<j>[12])", _TARGET + ".wide.down.{j-1}"),
        module(_BRANCH + r"\.1\.conv_r(?P<j>[12])", _TARGET + ".wide.across.{j-1}"),
        # The dilated convolution comes second where there is no global one, else third.
        module(_BRANCH + r"\.[12]\.(?P<part>conv|bn)", _TARGET + ".dilate.{part}"),
        module(r"head\.seemc(?P<stage>[234])\.proj\.(?P<part>conv|bn)", "enhance.{stage-2}.project.{part}"),
        module(r"head\.bam\.conv1x1\.(?P<part>conv|bn)", "boundary.gate.{part}"),
        module(r"head\.bam\.fconv1x1\.(?P<part>conv|bn)", "boundary.reduce.{part}"),
        module(r"head\.bam\.fconv3x3\.(?P<part>conv|bn)", "boundary.refine.{part}"),
        module(r"head\.bam\.cconv3x3\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"head\.bam\.cconv1x1", "head.classifier"),
        module(r"aux_head\.conv1\.(?P<part>conv|bn)", "auxiliary.0.block.{part}"),
        module(r"aux_head\.conv2", "auxiliary.0.classifier"),
    ),
    dropped=(IMAGENET_CLASSIFIER,),
    leaves=MXNET_LEAVES,
)

LAYOUTS = (SEENET,)
