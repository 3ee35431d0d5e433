"""DABNet on ResNet-18 and on EfficientNet-B1."""

from __future__ import annotations

from core.arch.backbones.efficientnet import efficientnet
from weights_convert.sources.efficientnet_names import timm
from weights_convert.sources.mmseg.heads import INDEXED_AUXILIARY
from weights_convert.sources.resnet_names import nested_deep_stem, residual_stages
from weights_convert.sources.rules import COUNTER, Rule, RuleLayout, module

_BACKBONE = r"backbone\.backbone\."
_PART = r"\.(?P<part>conv|bn)"
_MODULE = r"backbone\.SIM_(?P<i>[0123])\."
_TARGET = "interactions.{i}."


def _join(convs: tuple[str, str], norm: str, target: str) -> tuple[Rule, ...]:
    """Two convolutions and the norm of their sum."""
    return (
        module(_MODULE + convs[0], _TARGET + target + ".first"),
        module(_MODULE + convs[1], _TARGET + target + ".second"),
        module(_MODULE + norm, _TARGET + target + ".bn"),
    )


_INTERACTIONS = (
    module(_MODULE + "h2h_0", _TARGET + "high.conv"),
    module(_MODULE + "bnh_0", _TARGET + "high.bn"),
    module(_MODULE + "h2l_0", _TARGET + "patches.conv"),
    module(_MODULE + "bnl_0", _TARGET + "patches.bn"),
    *_join(("l2l_p1", "l2l_p2"), "l2l_bn", "low"),
    *_join(("h2h_1", "l2h_1"), "bnh_1", "exchange_high"),
    *_join(("l2l_1", "h2l_1"), "bnl_1", "exchange_low"),
    *_join(("h2h_2", "l2h_2"), "bnh_2", "out"),
)
_DECODER = (
    module(r"backbone\.sp_(?P<i>[012])" + _PART, "spatial.{i}.{part}"),
    module(r"backbone\.cp_(?P<i>[12])" + _PART, "lateral.{i-1}.{part}"),
    module(r"backbone\.arm(?P<depth>16|32)\.conv_layer" + _PART, "refine{depth}.conv.{part}"),
    module(r"backbone\.arm(?P<depth>16|32)\.atten_conv_layer\.1" + _PART, "refine{depth}.gate.convs.0.{part}"),
    module(r"backbone\.conv_head(?P<depth>16|32)" + _PART, "up{depth}.{part}"),
    module(r"backbone\.ffm\.conv1" + _PART, "fusion.conv.{part}"),
    module(r"backbone\.ffm\.conv_atten\.0" + _PART, "fusion.gate.convs.0.{part}"),
    module(r"decode_head\.convs\.0" + _PART, "head.block.{part}"),
    module(r"decode_head\.conv_seg", "head.classifier"),
    *INDEXED_AUXILIARY,
)

RESNET18 = RuleLayout(
    name="DABNet on ResNetV1c-18",
    presets=tuple(f"dabnet_resnet18_p{patch}" for patch in (1, 2, 4, 8, 16)),
    rules=(
        *nested_deep_stem(_BACKBONE + r"stem\.", _BACKBONE + r"stem\.7"),
        *residual_stages(_BACKBONE),
        *_INTERACTIONS,
        *_DECODER,
    ),
    dropped=(COUNTER,),
)

EFFICIENTNET_B1 = RuleLayout(
    name="DABNet on timm's efficientnet_b1",
    presets=("dabnet_efficientnet_b1",),
    rules=(*timm(efficientnet(1), _BACKBONE), *_INTERACTIONS, *_DECODER),
    dropped=(COUNTER,),
)

LAYOUTS = (RESNET18, EFFICIENTNET_B1)
