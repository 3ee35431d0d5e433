"""DF-Seg (Li et al., arXiv:1903.03777).

Original: Fast_Seg. Its pyramid's 1x1 convolution is padded, so that the map it gives is larger by two than its input,
and the border what batch norm and ReLU make of zero.
"""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, PyramidPooling, Tensor, concat, dropout, resize
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
        self.laterals, self.fusions = nn.HybridSequential(), nn.HybridSequential()
        for channels in (width, *shallower):
            self.laterals.add(nn.Conv2D(width, 1, use_bias=True, in_channels=channels))
        for _ in shallower:
            self.fusions.add(nn.Conv2D(width, 3, padding=1, use_bias=False, in_channels=2 * width))
        self.head = FCNHead(width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        deepest, *shallower = (features[stage] for stage in self.levels)
        y = self.laterals[0](self.reduce_dropout(self.reduce(self.pyramid(deepest))))
        for i, x in enumerate(shallower):
            x = self.laterals[i + 1](x)
            y = self.fusions[i](concat(F, resize(F, y, x, self.align_corners), x))
        return self.head(y)
