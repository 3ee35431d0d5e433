"""DFANet (Li et al., arXiv:1904.02216).

Original: Fast_Seg. The attention's batch norm sees 1x1 maps, so that training statistics are those of the batch alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import Tensor, nn

from backends.paddle.backbones.xception_a import encoders
from backends.paddle.encoder_decoder import EncoderDecoder
from backends.paddle.layers import ConvNormAct, enlarge
from core.arch.families.dfanet import DFANetSpec


class Stage(nn.Layer):
    """The encoders of a later stage: each sees a map of the stage before in front of what the one before gave."""

    def __init__(self, spec: DFANetSpec) -> None:
        super().__init__()
        self.encoders = spec.backbone.encoders
        for name, module in encoders(spec.backbone, spec.stage_inputs()).items():
            self.add_sublayer(name, module)

    def forward(self, x: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The enlarged context of the stage before and its encoders' maps -> those of this one and its attention."""
        maps = []
        for name, other in zip(self.encoders, before):
            x = getattr(self, name)(paddle.concat([other, x], axis=1))
            maps.append(x)
        return (*maps, self.attention(x))


class DFANet(EncoderDecoder):
    """[N, 3, H, W] -> logits at 1/4, main head first."""

    def __init__(self, spec: DFANetSpec) -> None:
        super().__init__(spec)
        norm, width, channels = spec.backbone.norm, spec.width, spec.backbone.channels("attention")
        self.align_corners = spec.align_corners
        self.stages = nn.LayerList([Stage(spec) for _ in range(1, spec.stages)])
        self.detail = nn.LayerList([ConvNormAct(spec.backbone.widths[0], width, 1, norm) for _ in range(spec.stages)])
        self.fuse = ConvNormAct(width, width, 1, norm)
        self.context = nn.LayerList([ConvNormAct(channels, width, 1, norm) for _ in range(spec.stages)])
        self.classifier = nn.Conv2D(width, spec.num_classes, 1)

    def decode(self, features: dict[str, Tensor]) -> Tensor:
        maps = tuple(features[name] for name in self.backbone.stages)
        runs = [maps]
        for i, stage in enumerate(self.stages):
            context = features[f"context{i + 1}"] = enlarge(maps[-1], 4, self.align_corners)
            maps = stage(context, maps[:-1])
            runs.append(maps)
        x = self.fuse(sum(self._at_quarter(self.detail, i, run[0], 1) for i, run in enumerate(runs)))
        contexts = [self._at_quarter(self.context, i, run[-1], 4) for i, run in enumerate(runs)]
        return self.classifier(x + sum(contexts))

    def _at_quarter(self, convs: nn.LayerList, i: int, x: Tensor, factor: int) -> Tensor:
        """The 1x1 of stage `i`, enlarged to 1/4; `factor` does it in the first stage."""
        return enlarge(convs[i](x), factor << i, self.align_corners)
