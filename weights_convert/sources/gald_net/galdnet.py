"""GALD-Net: the stem of its trunk is a Sequential."""

from __future__ import annotations

from weights_convert.sources.gald_net.auxiliary import AUXILIARY
from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_BLOCK = r"head\.a2block\."
_LONG = _BLOCK + r"long_relation\."
_LOCAL = _BLOCK + r"local_attention\."

GALD = RuleLayout(
    name="GALD",
    presets=("galdnet_resnet50_gald", "galdnet_resnet101_gald"),
    rules=(
        *nested_deep_stem(),
        *residual_stages(),
        module(r"head\.conva\.0", "reduce.conv"),
        module(r"head\.conva\.1", "reduce.bn"),
        module(_BLOCK + r"down\.0", "block.down.conv"),
        module(_BLOCK + r"down\.1", "block.down.bn"),
        module(_LONG + "t", "block.attention.theta"),
        module(_LONG + "p", "block.attention.phi"),
        module(_LONG + "g", "block.attention.g"),
        module(_LONG + "z", "block.attention.out"),
        module(_LONG + "gn", "block.attention.norm"),
        module(_LOCAL + r"dconv1\.0", "block.local.0.conv"),
        module(_LOCAL + r"dconv1\.1", "block.local.0.bn"),
        module(_LOCAL + r"dconv2\.0", "block.local.1.conv"),
        module(_LOCAL + r"dconv2\.1", "block.local.1.bn"),
        module(_LOCAL + r"dconv3\.0", "block.local.2.conv"),
        module(_LOCAL + r"dconv3\.1", "block.local.2.bn"),
        module(r"head\.convb\.0", "refine.conv"),
        module(r"head\.convb\.1", "refine.bn"),
        module(r"head\.bottleneck\.0", "head.block.conv"),
        module(r"head\.bottleneck\.1", "head.block.bn"),
        module(r"head\.bottleneck\.3", "head.classifier"),
        *AUXILIARY,
        module(r"dsn\.4", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (GALD,)
