"""FCN at stride 8."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, head

LAYOUTS = tuple(
    naming.layout(
        "FCN-8s(d)",
        ("fcn_resnet50_gluoncv", "fcn_resnet101_gluoncv"),
        *naming.backbone(),
        *head("final_block", "head"),
        *head("aux_block", "auxiliary.0"),
    )
    for naming in NAMINGS
)
