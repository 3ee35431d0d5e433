"""Modified aligned Xception (Chen et al., arXiv:1802.02611); numbers in core/arch/backbones/aligned_xception.py."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity

from backends.mxnet.layers import Backbone, ConvNormAct, SeparableConv, Tensor
from core.arch.backbones.aligned_xception import AlignedXceptionSpec, XceptionBlockSpec
from core.arch.parts import NormSpec


class Block(HybridBlock):
    """Three separable convolutions, an activation before each (but maybe the first), and a shortcut."""

    def __init__(self, spec: XceptionBlockSpec, norm: NormSpec) -> None:
        super().__init__()
        self.starts, last = spec.starts, len(spec.widths) - 1
        self.convs = nn.HybridSequential()
        channels = spec.channels
        for i, width in enumerate(spec.widths):
            stride = spec.stride if i == last else 1
            dilation = spec.dilation if stride == 1 else 1
            self.convs.add(
                SeparableConv(channels, width, 3, norm, separation="norm", stride=stride, dilation=dilation, act="none")
            )
            channels = width
        if spec.projects:
            self.shortcut = ConvNormAct(spec.channels, channels, 1, norm, stride=spec.stride, act="none")
        else:
            self.shortcut = Identity()

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        y = x
        for i, conv in enumerate(self.convs):
            if i > 0 or self.starts:
                y = F.relu(y)
            y = conv(y)
        return y + self.shortcut(x)


class AlignedXception(Backbone):
    """The maps of entry1 (behind a ReLU), middle (before one) and exit."""

    def __init__(self, spec: AlignedXceptionSpec) -> None:
        super().__init__(spec)
        norm, (first, second) = spec.norm, spec.stem_widths
        self.stem, self.entry, self.middle = (nn.HybridSequential() for _ in range(3))
        self.stem.add(ConvNormAct(spec.in_channels, first, 3, norm, stride=2), ConvNormAct(first, second, 3, norm))
        self.entry.add(*[Block(block, norm) for block in spec.entry()])
        self.middle.add(*[Block(block, norm) for block in spec.middle()])
        self.exit = Block(spec.exit(), norm)
        self.tail = nn.HybridSequential()
        self.tail.add(
            *[
                SeparableConv(channels, width, 3, norm, separation="norm", dilation=spec.tail_dilation)
                for channels, width in pairwise(spec.exit_widths)
            ]
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        shallow = None
        for i, block in enumerate(self.entry):
            x = block(x)
            if i == 0:
                x = shallow = F.relu(x)  # 1/4
        x = self.middle(x)
        return shallow, x, self.tail(F.relu(self.exit(x)))
