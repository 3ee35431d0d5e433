"""FCN (Long et al., arXiv:1411.4038); what tells the originals apart stands in core/arch/families/fcn.py."""

from __future__ import annotations

from torch import Tensor

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from core.arch.families.fcn import FCNSpec


class FCN(EncoderDecoder):
    """[N, 3, H, W] -> logits at the output stride, main head first."""

    def __init__(self, spec: FCNSpec) -> None:
        super().__init__(spec)
        self.deepest = spec.backbone.deepest
        channels = spec.backbone.channels(self.deepest)
        self.head = FCNHead(channels, spec.num_classes, spec.head, spec.head_norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(features[self.deepest])
