"""PSPNet."""

from __future__ import annotations

from weights_convert.sources.pytorchcv.blocks import NAMINGS, head

LAYOUTS = tuple(
    naming.layout(
        "PSPNet",
        ("pspnet_resnet50_gluoncv", "pspnet_resnet101_gluoncv"),
        *naming.backbone(),
        naming.pyramid("pool", "pyramid"),
        *head("final_block", "head"),
        *head("aux_block", "auxiliary.0"),
    )
    for naming in NAMINGS
)
