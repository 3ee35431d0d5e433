"""Deformable convolution."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.layers.sampling import sample


class DeformableConv(nn.Module):
    """Modulated deformable convolution with bias, stride 1, the size kept (Zhu et al., DCN v2, arXiv:1811.11168).

    A plain convolution of the same input, `offset`, says for each group of input channels and each tap of the kernel
    where it reads, (down, right) beside its usual place, and, after them all, its weight m: 2 * sigmoid(m). Each tap is
    a 1x1 convolution of what it reads.
    """

    def __init__(self, channels: int, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.kernel, self.groups, self.taps = kernel, groups, kernel * kernel
        self.weight = nn.Parameter(torch.zeros(width, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(width))
        self.offset = nn.Conv2d(channels, 3 * groups * self.taps, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        groups, taps, half = self.groups, self.taps, self.kernel // 2
        offset, mask = self.offset(x).split([2 * groups * taps, groups * taps], dim=1)
        offset = offset.unflatten(1, (groups, taps, 2)).flatten(0, 1)  # [N * G, K * K, 2, H, W]
        mask = (2 * torch.sigmoid(mask)).unflatten(1, (groups, taps)).flatten(0, 1)
        grouped = x.unflatten(1, (groups, -1)).flatten(0, 1)  # [N * G, C / G, H, W]
        rows, columns = (torch.arange(side, dtype=x.dtype, device=x.device) for side in x.shape[2:])
        result = self.bias.view(1, -1, 1, 1)
        for tap, (i, j) in enumerate(product(range(self.kernel), repeat=2)):
            places = rows[:, None] + offset[:, tap, 0] + (i - half), columns + offset[:, tap, 1] + (j - half)
            read = sample(grouped, *places) * mask[:, tap : tap + 1]
            read = read.unflatten(0, (-1, groups)).flatten(1, 2)
            result = result + F.conv2d(read, self.weight[:, :, i : i + 1, j : j + 1])
        return result
