"""Deformable convolution."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.nn.initializer import Constant
from paddle.vision.ops import deform_conv2d


class DeformableConv(nn.Layer):
    """Modulated deformable convolution with bias, stride 1, the size kept (Zhu et al., DCN v2, arXiv:1811.11168).

    A plain convolution of the same input, `offset`, says for each group of input channels and each tap of the kernel
    where it reads, (down, right) beside its usual place, and, after them all, its weight m: 2 * sigmoid(m).
    Paddle's operator is exact in float64, gradients too; it wants the output channels to divide by the groups.
    """

    def __init__(self, channels: int, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups, self.padding = groups, kernel // 2
        self.sizes = [2 * groups * kernel**2, groups * kernel**2]
        self.weight = self.create_parameter([width, channels, kernel, kernel], default_initializer=Constant(0.0))
        self.bias = self.create_parameter([width], is_bias=True)
        self.offset = nn.Conv2D(channels, sum(self.sizes), kernel, padding=self.padding)

    def forward(self, x: Tensor) -> Tensor:
        offset, mask = self.offset(x).split(self.sizes, axis=1)
        mask = 2 * F.sigmoid(mask)
        return deform_conv2d(
            x,
            offset,
            self.weight,
            self.bias,
            stride=1,
            padding=self.padding,
            dilation=1,
            deformable_groups=self.groups,
            groups=1,
            mask=mask,
        )
