"""PSPNet (Zhao et al., arXiv:1612.01105).

Originals: GALD-Net, Fast_Seg, SemSegPaddle, MXNetSeg; what tells them apart stands in core/arch/families/pspnet.py.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import nn

from backends.mxnet.backbones.resnet import STAGES, ResNet
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import Network, PyramidPooling, Tensor
from core.arch.families.pspnet import PSPNetSpec


class PSPNet(Network):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: PSPNetSpec) -> None:
        super().__init__()
        self.spec = spec
        norm, corners, classes = spec.backbone.norm, spec.align_corners, spec.num_classes
        channels = spec.backbone.channels("layer4")
        self.backbone = ResNet(spec.backbone)
        self.pyramid = PyramidPooling(channels, spec.pyramid, norm)
        self.head = FCNHead(spec.pyramid.out_channels(channels), classes, spec.head, norm, align_corners=corners)
        self.auxiliary = nn.HybridSequential()
        self.auxiliary.add(
            *[
                FCNHead(spec.backbone.channels(head.tap), classes, head, norm, align_corners=corners)
                for head in spec.auxiliary
            ]
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        features = dict(zip(STAGES, self.backbone(x)))
        logits = self.head(self.pyramid(features["layer4"]))
        return logits, *[head(features[spec.tap]) for head, spec in zip(self.auxiliary, self.spec.auxiliary)]
