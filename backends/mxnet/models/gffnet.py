"""GFFNet (Li et al., arXiv:1904.01803); see core/arch/families/gffnet.py. Original: MXNetSeg."""

from __future__ import annotations

from types import ModuleType

from mxnet.gluon import nn

from backends.mxnet.encoder_decoder import EncoderDecoder
from backends.mxnet.heads import FCNHead
from backends.mxnet.layers import ConvNormAct, PyramidPooling, Tensor, concat, resize
from core.arch.families.gffnet import GFFNetSpec


class GFFNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at the shallowest stage's size, main head first."""

    def __init__(self, spec: GFFNetSpec) -> None:
        super().__init__(spec)
        self.stages, self.align_corners = spec.backbone.stages(), spec.align_corners
        channels, width, norm = [spec.backbone.channels(stage) for stage in self.stages], spec.width, spec.head_norm
        levels = len(channels)
        self.pyramid = PyramidPooling(channels[-1], spec.pyramid, norm)
        self.context = ConvNormAct(spec.pyramid.out_channels(channels[-1]), width, 1, norm)
        self.reduce, self.gates, self.fuse, self.dense = (nn.HybridSequential() for _ in range(4))
        for i, count in enumerate(channels):
            self.reduce.add(ConvNormAct(count, width, 1, norm))
            self.gates.add(nn.Conv2D(width, 1, use_bias=True, in_channels=count))
            fuse = nn.HybridSequential()
            fuse.add(ConvNormAct(width, width, 3, norm), ConvNormAct(width, width, 3, norm))
            self.fuse.add(fuse)
            self.dense.add(ConvNormAct((levels + 1 - i) * width, width, 3, norm))
        self.head = FCNHead((levels + 1) * width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def _like(self, F: ModuleType, x: Tensor, like: Tensor) -> Tensor:
        return resize(F, x, like, self.align_corners)

    def _fused(self, F: ModuleType, maps: list[Tensor]) -> list[Tensor]:
        """Each map with what the gates let through of the others, those before it fused already."""
        gates = [F.sigmoid(gate(x)) for gate, x in zip(self.gates, maps)]
        fused = [reduce(x) for reduce, x in zip(self.reduce, maps)]
        for i, gate in enumerate(gates):
            others = 0
            for j, other in enumerate(gates):
                if j != i:
                    others = others + self._like(F, other * fused[j], gate)
            fused[i] = fused[i] + gate * fused[i] + (1 - gate) * others
        return fused

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor:
        maps = [features[stage] for stage in self.stages]
        context = self.context(self.pyramid(maps[-1]))
        first, *rest = [fuse(x) for fuse, x in zip(self.fuse, self._fused(F, maps))]
        levels = [first, *[self._like(F, x, first) for x in rest]]
        results = [self._like(F, context, first)]
        for i in range(len(levels) - 1, -1, -1):
            last, earlier = results[-1], results[:-1]
            results.append(self.dense[i](concat(F, last, levels[i], *earlier[::-1])))
        return self.head(concat(F, *results))
