"""FaPN (Huang et al., arXiv:2108.07058); see core/arch/families/fapn.py. Original: MXNetSeg."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import HybridBlock, nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ChannelGate, ConvAct, ConvNormAct, DeformableConv, Tensor, concat, resize
from core.arch.families.fapn import FaPNSpec


class Align(HybridBlock):
    """The map from below, aligned by a deformable convolution with what is selected of a stage, and added to it."""

    def __init__(self, channels: int, spec: FaPNSpec) -> None:
        super().__init__()
        self.align_corners, width = spec.align_corners, spec.width
        self.gate = ChannelGate(channels, spec.gate, spec.backbone.norm)
        self.select = ConvAct(channels, width, 1)
        self.mix = ConvNormAct(2 * width, width, 1, spec.backbone.norm)
        self.align = DeformableConv(2 * width, width, spec.kernel, spec.groups)

    def hybrid_forward(self, F: ModuleType, x: Tensor, stage: Tensor) -> Tensor:
        selected = self.select(F.broadcast_mul(stage, self.gate(stage)) + stage)
        x = resize(F, x, stage, self.align_corners)
        mixed = self.mix(concat(F, selected, x))
        return F.relu(self.align(concat(F, x, mixed))) + selected


class FaPN(EncoderDecoder):
    """[N, 3, H, W] -> logits at the shallowest stage's size, main head first."""

    def __init__(self, spec: FaPNSpec) -> None:
        super().__init__(spec)
        self.stages = spec.backbone.stages()[::-1]
        deepest, *rest = (spec.backbone.channels(stage) for stage in self.stages)
        self.top = ConvNormAct(deepest, spec.width, 1, spec.head_norm)
        self.aligns = nn.HybridSequential()
        self.aligns.add(*[Align(channels, spec) for channels in rest])
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, spec.head_norm, align_corners=spec.align_corners)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        deepest, *rest = [features[stage] for stage in self.stages]
        x = self.top(deepest)
        for align, stage in zip(self.aligns, rest):
            x = align(x, stage)
        return self.head(x)
