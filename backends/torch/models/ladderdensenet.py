"""LadderDenseNet (Krešo et al., ICCV workshops 2017). Original: MXNetSeg, which takes the stages without a norm."""

from __future__ import annotations

from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, resize
from core.arch.families.ladderdensenet import TOP, LadderDenseNetSpec


class Step(nn.Module):
    """A deeper map, resized, plus a stage's, smoothed."""

    def __init__(self, channels: int, spec: LadderDenseNetSpec) -> None:
        super().__init__()
        self.align_corners = spec.align_corners
        self.lateral = ConvNormAct(channels, spec.width, 1, spec.head_norm)
        self.smooth = ConvNormAct(spec.width, spec.width, 3, spec.head_norm)

    def forward(self, deep: Tensor, stage: Tensor) -> Tensor:
        lateral = self.lateral(stage)
        return self.smooth(resize(deep, lateral.shape[2:], self.align_corners) + lateral)


class LadderDenseNet(EncoderDecoder):
    """[N, 3, H, W] -> logits at a quarter of the picture's sides, main head first."""

    def __init__(self, spec: LadderDenseNetSpec) -> None:
        super().__init__(spec)
        self.deepest, self.climbed = spec.backbone.deepest, spec.steps
        channels = spec.backbone.channels
        self.top = ConvNormAct(channels(self.deepest), spec.width, 1, spec.head_norm)
        self.steps = nn.ModuleList(Step(channels(stage), spec) for stage in self.climbed)
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, spec.head_norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        x = features[TOP] = self.top(features[self.deepest])
        for step, stage in zip(self.steps, self.climbed):
            x = step(x, features[stage])
        return self.head(x)
