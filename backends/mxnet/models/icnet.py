"""ICNet (Zhao et al., arXiv:1704.08545).

Originals: Fast_Seg, mmseg, GluonCV; what tells them apart stands in core/arch/families/icnet.py. The two coarser
branches share the backbone: the halved picture passes layer1 and layer2 once, their map halved again the rest.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, PyramidPooling, Tensor, dropout, halve, resize
from core.arch.families.icnet import ICNetSpec


class CascadeFusion(HybridBlock):
    """A low map, resized and convolved, and its sum with a high one."""

    def __init__(self, low: int, high: int, spec: ICNetSpec) -> None:
        super().__init__()
        norm, width, act = spec.backbone.norm, spec.fusion_width, spec.fusion_act
        self.align_corners = spec.align_corners
        self.low = ConvNormAct(low, width, 3, norm, dilation=2, act=act)
        self.high = ConvNormAct(high, width, 1, norm, act=act)

    def hybrid_forward(self, F: ModuleType, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """The low branch, and the sum; both have the size of `high`."""
        low = self.low(resize(F, low, high, self.align_corners))
        return low, F.relu(low + self.high(high))


class ICNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/8 (at 1/4 with a head that enlarges), main head first."""

    def __init__(self, spec: ICNetSpec) -> None:
        super().__init__(spec)
        norm, self.align_corners = spec.backbone.norm, spec.align_corners
        widths = [spec.backbone.in_channels, *spec.detail_widths]
        self.detail = nn.HybridSequential()
        self.detail.add(*[ConvNormAct(channels, width, 3, norm, stride=2) for channels, width in pairwise(widths)])
        deep, width = spec.backbone.channels("layer4"), spec.branch_width
        self.pyramid = PyramidPooling(deep, spec.pyramid, norm)
        self.reduce = ConvNormAct(spec.pyramid.out_channels(deep), spec.reduce_width, 3, norm)
        self.reduce_dropout = dropout(spec.reduce_dropout)
        self.coarse = ConvNormAct(spec.reduce_width, width, 1, norm)
        self.middle = ConvNormAct(spec.backbone.channels("layer2"), width, 1, norm)
        self.fusion24 = CascadeFusion(width, width, spec)
        self.fusion12 = CascadeFusion(spec.fusion_width, widths[-1], spec)
        self.head = FCNHead(spec.fusion_width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def encode(self, F: ModuleType, x: Tensor) -> dict[str, Tensor]:
        net = self.backbone
        middle = net.layer2(net.layer1(net.start(F, halve(F, x, self.align_corners))))  # 1/16
        deep = net.layer4(net.layer3(halve(F, middle, self.align_corners)))  # 1/32
        return {"layer2": middle, "layer4": deep}

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        detail = self.detail(features["picture"])  # 1/8
        coarse = self.coarse(self.reduce_dropout(self.reduce(self.pyramid(features["layer4"]))))
        features["low24"], y = self.fusion24(coarse, self.middle(features["layer2"]))
        features["low12"], y = self.fusion12(y, detail)
        return self.head(y)
