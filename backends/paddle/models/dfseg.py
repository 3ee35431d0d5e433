"""DF-Seg (Li et al., arXiv:1903.03777).

Original: Fast_Seg. Its pyramid's 1x1 convolution is padded, so that the map it gives is larger by two than its input,
and the border what batch norm and ReLU make of zero.
"""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.heads import FCNHead
from backends.paddle.layers import ConvNormAct, PyramidPooling, dropout, resize
from core.arch.families.dfseg import DFSegSpec


class DFSeg(EncoderDecoder):
    """[N, 3, H, W] -> logits at the stride of the shallowest map used, main head first."""

    def __init__(self, spec: DFSegSpec) -> None:
        super().__init__(spec)
        norm, self.align_corners, self.levels = spec.backbone.norm, spec.align_corners, spec.stages
        width = spec.width
        deepest, *shallower = (spec.backbone.channels(stage) for stage in spec.stages)
        self.pyramid = PyramidPooling(deepest, spec.pyramid, norm)
        self.reduce = ConvNormAct(spec.pyramid.out_channels(deepest), width, 1, norm, padding=spec.reduce_padding)
        self.reduce_dropout = dropout(spec.reduce_dropout)
        self.laterals = nn.LayerList([nn.Conv2D(channels, width, 1) for channels in (width, *shallower)])
        self.fusions = nn.LayerList([nn.Conv2D(2 * width, width, 3, padding=1, bias_attr=False) for _ in shallower])
        self.head = FCNHead(width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        deepest, *shallower = (features[stage] for stage in self.levels)
        y = self.laterals[0](self.reduce_dropout(self.reduce(self.pyramid(deepest))))
        for i, x in enumerate(shallower):
            x = self.laterals[i + 1](x)
            y = self.fusions[i](paddle.concat([resize(y, x.shape[2:], self.align_corners), x], axis=1))
        return self.head(y)
