"""ESPNet and ESPNet-C (Mehta et al., arXiv:1803.06815).

Original: sacmehta/ESPNet (also in Fast_Seg). The concatenation at 1/4 has the last module's output first, the one at
1/8 has it last; both orders are the authors'.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import BatchNorm, ConvNormAct, Network, NormAct, halve
from core.arch.families.espnet import ESPNetSpec


def _halve(x: Tensor) -> Tensor:
    """The picture at half the size; padded zeros count in the mean."""
    return F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=False, exclusive=False)


def _double(channels: int) -> nn.Conv2DTranspose:
    return nn.Conv2DTranspose(channels, channels, 2, stride=2, padding=0, output_padding=0, bias_attr=False)


class ESPModule(nn.Layer):
    """Reduce, transform by parallel dilated convolutions, merge by running sums (HFF, section 3.2).

    reduction: 1x1, or 3x3 with stride 2. Without `residual` the input is not added.
    """

    def __init__(self, channels: int, width: int, spec: ESPNetSpec, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        widths = spec.branch_widths(width)
        kernel = 1 if stride == 1 else 3
        self.residual = residual
        self.reduce = nn.Conv2D(channels, widths[-1], kernel, stride, padding=kernel // 2, bias_attr=False)
        self.branches = nn.LayerList(
            nn.Conv2D(widths[-1], branch, 3, padding=dilation, dilation=dilation, bias_attr=False)
            for branch, dilation in zip(widths, spec.dilations)
        )
        self.bn = BatchNorm(width, spec.norm)
        self.act = nn.PReLU(num_parameters=width, data_format="NCHW")

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        first, *rest = [branch(reduced) for branch in self.branches]
        merged = [first, rest[0]]
        for branch in rest[1:]:
            merged.append(merged[-1] + branch)
        y = paddle.concat(merged, axis=1)
        return self.act(self.bn(x + y if self.residual else y))


class Encoder(nn.Layer):
    """[N, 3, H, W] -> a map of level 1, one of level 2 and the scores at 1/8, as the decoder takes them."""

    def __init__(self, spec: ESPNetSpec) -> None:
        super().__init__()
        level1, level2, level3 = spec.widths
        self.projected, self.last_skip = spec.projected, spec.last_skip
        self.level1 = ConvNormAct(
            spec.in_channels,
            level1,
            3,
            spec.norm,
            stride=2,
            padding=spec.padding,
            bias=spec.block_bias,
            act=spec.block_act,
        )
        self.norm1 = NormAct(spec.level1_channels, spec.norm, act="prelu")
        self.level2_down = ESPModule(spec.level1_channels, level2, spec, stride=2, residual=False)
        self.level2 = nn.Sequential(*[ESPModule(level2, level2, spec) for _ in range(spec.p)])
        self.norm2 = NormAct(spec.level2_channels, spec.norm, act="prelu")
        self.level3_down = ESPModule(spec.level2_channels, level3, spec, stride=2, residual=False)
        self.level3 = nn.Sequential(*[ESPModule(level3, level3, spec) for _ in range(spec.q)])
        self.norm3 = NormAct(spec.level3_channels, spec.norm, act="prelu")
        if spec.projected:
            self.projections = nn.LayerList(
                [
                    ConvNormAct(channels, spec.num_classes, 1, spec.norm, bias=spec.block_bias, act=spec.block_act)
                    for channels in (spec.level1_channels, spec.level2_channels, spec.level3_channels)
                ]
            )
        else:
            self.classifier = nn.Conv2D(spec.level3_channels, spec.num_classes, 1, bias_attr=False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        half = halve(x, align_corners=False) if self.projected else _halve(x)
        quarter = halve(half, align_corners=False) if self.projected else _halve(half)
        level1 = self.level1(x)  # 1/2
        level1_image = self.norm1(paddle.concat([level1, half], axis=1))
        down = self.level2_down(level1_image)  # 1/4
        level2 = self.norm2(paddle.concat([self.level2(down), down, quarter], axis=1))
        down = self.level3_down(level2)  # 1/8
        if self.projected:
            level3 = self.norm3(paddle.concat([self.level3(down), down], axis=1))
            maps = zip(self.projections, (level1_image, level2, level3))
            return tuple(projection(level) for projection, level in maps)
        level3 = self.norm3(paddle.concat([down, self.level3(down)], axis=1))
        skip = level1 if self.last_skip == "level1" else level1_image
        return skip, level2, self.classifier(level3)


class Decoder(nn.Layer):
    """Doubles the scores three times, merging the 1/4 and 1/2 maps in."""

    def __init__(self, spec: ESPNetSpec) -> None:
        super().__init__()
        classes = spec.num_classes
        self.projected = spec.projected
        if not spec.projected:
            self.norm3 = BatchNorm(classes, spec.norm)
        self.up3 = _double(classes)
        if not spec.projected:
            self.project2 = nn.Conv2D(spec.level2_channels, classes, 1, bias_attr=False)
        self.norm2 = NormAct(2 * classes, spec.norm, act="prelu")
        self.merge2 = ESPModule(2 * classes, classes, spec, residual=False)
        self.up2 = _double(classes)
        self.norm1 = NormAct(classes, spec.norm, act="prelu")
        merged = classes + spec.skip_channels
        self.merge1 = ConvNormAct(merged, classes, 3, spec.norm, bias=spec.block_bias, act=spec.block_act)
        self.classifier = _double(classes)

    def forward(self, skip: Tensor, level2: Tensor, scores: Tensor) -> Tensor:
        up = self.up3(scores if self.projected else self.norm3(scores))  # 1/4
        joined = (
            paddle.concat([up, level2], axis=1)
            if self.projected
            else paddle.concat([self.project2(level2), up], axis=1)
        )
        up = self.merge2(self.norm2(joined))
        up = self.norm1(self.up2(up))  # 1/2
        return self.classifier(self.merge1(paddle.concat([up, skip], axis=1)))


class ESPNet(Network):
    """[N, 3, H, W] -> (logits,) at full size, or at 1/8 without the decoder (ESPNet-C)."""

    spec: ESPNetSpec

    def __init__(self, spec: ESPNetSpec) -> None:
        super().__init__(spec)
        self.encoder = Encoder(spec)
        if spec.decoder:
            self.decoder = Decoder(spec)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        skip, level2, scores = self.encoder(x)
        if not self.spec.decoder:
            return (scores,)
        return (self.decoder(skip, level2, scores),)
