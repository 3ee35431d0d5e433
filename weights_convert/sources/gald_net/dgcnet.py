"""DualSeg (DGCNet): the stem of its trunk is a Sequential."""

from __future__ import annotations

from weights_convert.sources.gald_net.auxiliary import AUXILIARY
from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, RuleLayout, module

_DUAL = r"head\.dualgcn\."
_LOCAL = r"head\.dualgcn\.gcn_local_attention\."

DUALSEG = RuleLayout(
    name="DualSeg",
    presets=("dgcnet_resnet50_gald", "dgcnet_resnet101_gald"),
    rules=(
        *nested_deep_stem(),
        *residual_stages(),
        module(r"head\.conva\.0", "reduce.conv"),
        module(r"head\.conva\.1", "reduce.bn"),
        module(_DUAL + r"local\.0", "dual.coordinate.reduce.0.conv"),
        module(_DUAL + r"local\.1", "dual.coordinate.reduce.0.bn"),
        module(_DUAL + r"local\.2", "dual.coordinate.reduce.1.conv"),
        module(_DUAL + r"local\.3", "dual.coordinate.reduce.1.bn"),
        module(_DUAL + r"local\.4", "dual.coordinate.reduce.2.conv"),
        module(_DUAL + r"local\.5", "dual.coordinate.reduce.2.bn"),
        module(_LOCAL + r"node_k", "dual.coordinate.key"),
        module(_LOCAL + r"node_v", "dual.coordinate.value"),
        module(_LOCAL + r"node_q", "dual.coordinate.query"),
        module(_LOCAL + r"conv_wg", "dual.coordinate.weight.conv"),
        module(_LOCAL + r"bn_wg", "dual.coordinate.weight.bn"),
        module(_LOCAL + r"out\.0", "dual.coordinate.out.conv"),
        module(_LOCAL + r"out\.1", "dual.coordinate.out.bn"),
        module(_DUAL + r"phi", "dual.feature.project.conv"),
        module(_DUAL + r"bn_phi", "dual.feature.project.bn"),
        module(_DUAL + r"theta", "dual.feature.assign.conv"),
        module(_DUAL + r"bn_theta", "dual.feature.assign.bn"),
        module(_DUAL + r"conv_adj", "dual.feature.adjacency.conv"),
        module(_DUAL + r"bn_adj", "dual.feature.adjacency.bn"),
        module(_DUAL + r"conv_wg", "dual.feature.weight.conv"),
        module(_DUAL + r"bn_wg", "dual.feature.weight.bn"),
        module(_DUAL + r"conv3", "dual.feature.out.conv"),
        module(_DUAL + r"bn3", "dual.feature.out.bn"),
        module(_DUAL + r"final\.0", "dual.merge.conv"),
        module(_DUAL + r"final\.1", "dual.merge.bn"),
        module(r"head\.convb\.0", "refine.conv"),
        module(r"head\.convb\.1", "refine.bn"),
        module(r"head\.bottleneck\.0", "head.block.conv"),
        module(r"head\.bottleneck\.1", "head.block.bn"),
        module(r"head\.bottleneck\.3", "head.classifier"),
        *AUXILIARY,
        module(r"dsn\.3", "auxiliary.0.classifier"),
    ),
    dropped=(COUNTER,),
)

LAYOUTS = (DUALSEG,)
