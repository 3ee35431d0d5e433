"""FCN on HRNet."""

from __future__ import annotations

from weights_convert.sources.hrnet_names import hrnet
from weights_convert.sources.rules import COUNTER, RuleLayout, module

FCN_HRNET = RuleLayout(
    name="FCN on HRNet",
    presets=("fcn_hrnet_w18_mmseg", "fcn_hrnet_w48_mmseg"),
    rules=(
        *hrnet(r"backbone\."),
        module(r"decode_head\.convs\.0\.(?P<part>conv|bn)", "head.block.{part}"),
        module(r"decode_head\.conv_seg", "head.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (FCN_HRNET,)
