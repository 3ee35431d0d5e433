"""DeepLabv3 (Chen et al., arXiv:1706.05587).

Originals: MXNetSeg, GluonCV, torchvision, mmseg, PaddleSeg, segmentation_models.pytorch, SemSegPaddle; what tells them
apart stands in core/arch/families/deeplabv3.py.
"""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ASPP, Tensor
from core.arch.families.deeplabv3 import DeepLabv3Spec


class DeepLabv3(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: DeepLabv3Spec) -> None:
        super().__init__(spec)
        norm, corners = spec.head_norm, spec.align_corners
        self.deepest = spec.backbone.deepest
        self.aspp = ASPP(spec.backbone.channels(self.deepest), spec.aspp, norm)
        self.head = FCNHead(spec.aspp.out_width, spec.num_classes, spec.head, norm, align_corners=corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        return self.head(self.aspp(features[self.deepest]))
