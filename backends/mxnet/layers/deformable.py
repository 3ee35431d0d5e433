"""Deformable convolution."""

from __future__ import annotations

from itertools import product
from types import ModuleType

from mxnet import init
from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers.network import Tensor
from backends.mxnet.layers.sampling import places, sample


class DeformableConv(HybridBlock):
    """Modulated deformable convolution with bias, stride 1, the size kept (Zhu et al., DCN v2, arXiv:1811.11168).

    A plain convolution of the same input, `offset`, says for each group of input channels and each tap of the kernel
    where it reads, (down, right) beside its usual place, and, after them all, its weight m: 2 * sigmoid(m). Each tap is
    a 1x1 convolution of what it reads. (MXNet's own operator has no backward pass on a processor.)
    """

    def __init__(self, channels: int, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.width, self.kernel, self.groups, self.taps = width, kernel, groups, kernel * kernel
        self.weight = self.params.get("weight", shape=(width, channels, kernel, kernel), init=init.Zero())
        self.bias = self.params.get("bias", shape=(width,), init=init.Zero())
        self.offset = nn.Conv2D(
            3 * groups * self.taps, kernel, padding=kernel // 2, use_bias=True, in_channels=channels
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        groups, taps, half = self.groups, self.taps, self.kernel // 2
        offset = self.offset(x)
        mask = F.slice_axis(offset, axis=1, begin=2 * groups * taps, end=None)
        offset = F.slice_axis(offset, axis=1, begin=0, end=2 * groups * taps)
        offset = F.reshape(F.reshape(offset, (0, -4, groups, -1, -2)), (-3, 0, 0, 0))  # [N * G, K * K * 2, H, W]
        mask = F.reshape(F.reshape(2 * F.sigmoid(mask), (0, -4, groups, -1, -2)), (-3, 0, 0, 0))
        grouped = F.reshape(F.reshape(x, (0, -4, groups, -1, -2)), (-3, 0, 0, 0))  # [N * G, C / G, H, W]
        rows, columns = places(F, x)
        result = F.reshape(bias, (1, -1, 1, 1))
        for tap, (i, j) in enumerate(product(range(self.kernel), repeat=2)):
            down, right = (F.squeeze(_one(F, offset, 1, 2 * tap + k), axis=1) for k in range(2))
            read = sample(
                F, grouped, F.broadcast_add(down, rows + (i - half)), F.broadcast_add(right, columns + (j - half))
            )
            read = F.broadcast_mul(read, _one(F, mask, 1, tap))
            read = F.reshape(F.reshape(read, (-4, -1, groups, 0, 0, 0)), (0, -3, 0, 0))
            part = _one(F, _one(F, weight, 2, i), 3, j)
            term = F.Convolution(read, part, kernel=(1, 1), num_filter=self.width, no_bias=True)
            result = F.broadcast_add(term, result)
        return result


def _one(F: ModuleType, x: Tensor, axis: int, index: int) -> Tensor:
    """`x` at that index of the axis, which stays, of length 1."""
    return F.slice_axis(x, axis=axis, begin=index, end=index + 1)
