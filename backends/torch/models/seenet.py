"""SeENet (Pang et al., ICCV 2019); the numbers stand in core/arch/families/seenet.py. Original: MXNetSeg's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backends.torch.encoder_decoder import EncoderDecoder
from backends.torch.heads import FCNHead
from backends.torch.layers import ConvNormAct, resize
from core.arch.families.seenet import EnhancementSpec, SeENetSpec
from core.arch.parts import NormSpec


class GlobalConv(nn.Module):
    """A large kernel in two thin halves, in either order, summed; no norm, no activation."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        pad = kernel // 2
        tall, flat = ((kernel, 1), (pad, 0)), ((1, kernel), (0, pad))
        self.down, self.across = (
            nn.Sequential(*[nn.Conv2d(width, width, size, padding=padding) for size, padding in order])
            for order in ((tall, flat), (flat, tall))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.down(x) + self.across(x)


class Branch(nn.Module):
    """1x1 - (global convolution) - dilated 3x3."""

    def __init__(self, channels: int, width: int, rate: int, kernel: int, norm: NormSpec) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, width, 1, norm)
        self.wide = GlobalConv(width, kernel) if kernel else nn.Identity()
        self.dilate = ConvNormAct(width, width, 3, norm, dilation=rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.dilate(self.wide(self.reduce(x)))


class Enhancement(nn.Module):
    """Branches of several dilations, concatenated after the input and projected."""

    def __init__(self, channels: int, width: int, spec: EnhancementSpec, norm: NormSpec) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(channels, width, rate, spec.kernel, norm) for rate in spec.rates)
        self.project = ConvNormAct(channels + len(spec.rates) * width, width, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.cat([x, *(branch(x) for branch in self.branches)], dim=1))


class Boundary(nn.Module):
    """Adds to the deep map what it is not sure of in the shallow one."""

    def __init__(self, shallow: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.gate = ConvNormAct(width, shallow, 1, norm, act="sigmoid")
        self.reduce = ConvNormAct(shallow, width, 1, norm)
        self.refine = ConvNormAct(width, width, 3, norm)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        return deep + self.refine(self.reduce(shallow * (1 - self.gate(deep))))


class SeENet(EncoderDecoder):
    """[N, 3, H, W] -> logits at a quarter of the picture, main head first."""

    def __init__(self, spec: SeENetSpec) -> None:
        super().__init__(spec)
        norm, self.align_corners = spec.backbone.norm, spec.align_corners
        self.shallow, *self.deeper = spec.backbone.stages()
        self.enhance = nn.ModuleList(
            Enhancement(channels, spec.width, part, norm) for channels, part in zip(spec.inputs(), spec.enhancements)
        )
        self.boundary = Boundary(spec.backbone.channels(self.shallow), spec.width, norm)
        self.head = FCNHead(spec.width, spec.num_classes, spec.head, norm, align_corners=spec.align_corners)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        shallow = features[self.shallow]
        maps: list[Tensor] = []  # the enhanced map so far; the stages are of one size
        for enhancement, stage in zip(self.enhance, self.deeper):
            maps = [enhancement(torch.cat([*maps, features[stage]], dim=1))]
        return self.head(self.boundary(resize(maps[0], shallow.shape[2:], self.align_corners), shallow))
